"""The settings as options of ``opentelemetry-instrument``: ``--synthetic_keys=public.jwks``.

This is the entry point ``synthetic`` of the group ``opentelemetry_environment_variables``. OpenTelemetry makes an
option of each name here that begins with ``OTEL_``. The option sets the variable of that name, and ``apply`` copies it
to the variable that this library reads.
"""

from __future__ import annotations

import os
from typing import Final

from synthetic._config.settings import SETTINGS
from synthetic._config.sources import FILE_VARIABLE, PREFIX

__all__ = ["apply"]

_OPTION: Final = "OTEL_PYTHON_"
_VARIABLES: Final = (FILE_VARIABLE, *(PREFIX + name.upper() for name, one in SETTINGS.items() if not one.is_code))

globals().update({f"{_OPTION}{variable}": f"{_OPTION}{variable}" for variable in _VARIABLES})


def apply() -> None:
    """Copy each variable above that has a value to its ``SYNTHETIC_*`` variable, which it overrides."""
    for variable in _VARIABLES:
        value = os.environ.get(_OPTION + variable)
        if value:
            os.environ[variable] = value
