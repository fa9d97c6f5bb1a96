"""Where a job has its marker: beside its function and arguments, in what arq keeps of it in Redis.

arq's jobs have no headers. A simulated one gets ``baggage`` as one more entry, and its function is called
``ride [simulated]`` there: a worker that knows nothing of us does not find such a function, and the job fails, for it
must not be executed as real. Real jobs stay as they are, to the byte.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from synthetic._carrier import NAME
from synthetic._egress import dispatch
from synthetic._failure import go_on_after

__all__ = ["SIMULATED", "Dump", "Load", "adding", "departing", "taking"]

Data: TypeAlias = "dict[str, Any]"
Dump: TypeAlias = Callable[[Data], bytes]
Load: TypeAlias = Callable[[bytes], Data]
Take: TypeAlias = Callable[[Data, list[str], bool], None]
"""What is told of each job: its data without our part, its headers, and whether it says that it is simulated."""

SIMULATED: Final = " [simulated]"

_FUNCTION: Final = "f"
_SUCCESS: Final = "s"  # a result has it, a job has not


def departing(dump: Dump | None) -> Dump | None:
    """Return the serializer for a job of the work at hand. Raises UnverifiedMarker."""
    try:
        header, _ = dispatch(None)
    except Exception as error:
        return go_on_after(error, dump)
    return dump if header is None else adding(header, dump)


def adding(header: str, dump: Dump | None) -> Dump:
    """Return a serializer that adds the header to a job."""
    serialize: Dump = dump or pickle.dumps

    def dump_with_header(data: Data) -> bytes:
        if _SUCCESS in data or NAME in data:
            return serialize(data)
        return serialize({**data, _FUNCTION: f"{data[_FUNCTION]}{SIMULATED}", NAME: header})

    return dump_with_header


def taking(load: Load | None, take: Take | None = None) -> Load:
    """Return a deserializer that takes our part out of a job again, and tells of it."""
    deserialize: Load = load or pickle.loads

    def load_without_header(raw: bytes) -> Data:
        data = deserialize(raw)
        if _SUCCESS in data:
            return data
        header = data.pop(NAME, None)
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
