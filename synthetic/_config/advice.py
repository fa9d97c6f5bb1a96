"""Advice that is logged once per process. The command line tool gives it in its own way."""

from __future__ import annotations

import logging

__all__ = ["warn_about_environment"]

_log = logging.getLogger("synthetic.advice")

_given: set[str] = set()


def warn_about_environment(default: str) -> None:
    """Log a warning that everybody who leaves ``environment`` out shares one environment."""
    if "environment" not in _given:
        _given.add("environment")
        _log.warning(
            "environment is not set, so it is %r. A token from any other program with these keys that leaves it out, "
            "too, is good here. Set environment=, SYNTHETIC_ENVIRONMENT, or environment in synthetic.toml.",
            default,
        )
