"""Distributions that are installed into a folder, for processes that are told of it. Nothing is downloaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["finding", "installing"]


def installing(target: str | Path, *sources: str | Path) -> list[str]:
    """Return the command that installs distributions from their sources into the folder ``target``.

    What they are built with, and what they depend on, is installed where this runs.
    """
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-build-isolation", "--no-deps"]
    return [sys.executable, "-m", "pip", "install", *options, "--target", str(target), *map(str, sources)]


def finding(target: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that finds what is installed in ``target``."""
    path = (str(target), variables.get("PYTHONPATH", ""))
    return {**variables, "PYTHONPATH": os.pathsep.join(filter(None, path))}
