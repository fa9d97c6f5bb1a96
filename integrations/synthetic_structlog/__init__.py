"""The marker in structlog's events: a processor, which adds fields to events of simulated work only."""

from synthetic_structlog._explicit import add_synthetic

__all__ = ["add_synthetic"]
