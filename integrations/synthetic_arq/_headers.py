"""Reads and writes the marker of a job, beside the function and arguments that arq stores in Redis.

arq's jobs have no headers. A simulated job gets ``baggage`` as one more entry, and its function is stored as
``ride [simulated]``. A worker without this integration does not find a function of that name, so the job fails and is
not executed as real. Real jobs stay the same, byte for byte.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from synthetic.integration import BAGGAGE

__all__ = ["SIMULATED", "Dump", "Load", "adding", "taking"]

Data: TypeAlias = "dict[str, Any]"
Dump: TypeAlias = Callable[[Data], bytes]
Load: TypeAlias = Callable[[bytes], Data]
Take: TypeAlias = Callable[[Data, list[str], bool], None]
"""Called for each job with its data, without the marker; its headers; and whether its name says it is simulated."""

SIMULATED: Final = " [simulated]"

_FUNCTION: Final = "f"
_SUCCESS: Final = "s"  # a result has it, a job has not


def adding(header: str, dump: Dump | None) -> Dump:
    """Return a serializer that adds the header to a job."""
    serialize: Dump = dump or pickle.dumps

    def dump_with_header(data: Data) -> bytes:
        if _SUCCESS in data or BAGGAGE in data:
            return serialize(data)
        return serialize({**data, _FUNCTION: f"{data[_FUNCTION]}{SIMULATED}", BAGGAGE: header})

    return dump_with_header


def taking(load: Load | None, take: Take | None = None) -> Load:
    """Return a deserializer that takes the marker out of a job, and calls ``take`` with it."""
    deserialize: Load = load or pickle.loads

    def load_without_header(raw: bytes) -> Data:
        data = deserialize(raw)
        if _SUCCESS in data:
            return data
        header = data.pop(BAGGAGE, None)
        function: str = data[_FUNCTION]
        says_simulated = function.endswith(SIMULATED)
        if says_simulated:
            data[_FUNCTION] = function[: -len(SIMULATED)]
        if take is not None:
            take(data, [] if header is None else [_text(header)], says_simulated)
        return data

    return load_without_header


def _text(header: object) -> str:
    return header.decode("latin-1") if isinstance(header, bytes) else str(header)
