"""Imports Locust without its patches on the process, which would turn a test's threads into greenlets."""

from __future__ import annotations

import os
from importlib import import_module

__all__: list[str] = []

_VARIABLE = "LOCUST_SKIP_MONKEY_PATCH"

_before = os.environ.get(_VARIABLE)
os.environ[_VARIABLE] = "1"
try:
    import_module("locust")
finally:
    # It is not meant for the processes that a test starts.
    if _before is None:
        del os.environ[_VARIABLE]
    else:
        os.environ[_VARIABLE] = _before
