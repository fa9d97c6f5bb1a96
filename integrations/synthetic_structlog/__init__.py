"""The marker in structlog's events: a processor that adds fields, and one that takes tokens out."""

from synthetic_structlog._explicit import add_synthetic, remove_tokens

__all__ = ["add_synthetic", "remove_tokens"]
