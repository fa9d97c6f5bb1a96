"""Which integrations ``instrument()`` has enabled in this process."""

from __future__ import annotations

__all__ = ["INSTRUMENTED"]

INSTRUMENTED: set[str] = set()
"""Their names. Only ``instrument`` and ``uninstrument`` change it. Admission checks whether there are any."""
