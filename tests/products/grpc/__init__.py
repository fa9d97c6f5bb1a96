"""gRPC: a service with every kind of method, servers and clients for it, sync and aio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import grpc

SERVICE = "rides.Rides"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")

# gRPC rejects metadata over 8 KiB by default, and over-long baggage has to arrive.
OPTIONS = (("grpc.max_metadata_size", 100_000), ("grpc.absolute_max_metadata_size", 100_000))


def contrib(*names: str) -> Mapping[str, Callable[[], None]]:
    """OpenTelemetry's instrumentors with these names, as the matrix wants them."""

    def switch_on() -> None:
        from opentelemetry.instrumentation import grpc as instrumentors

        for name in names:
            getattr(instrumentors, name)().instrument()

    return {"contrib": switch_on}


def kind_of(name: str) -> str:
    """The kind of a method, by its name."""
    others = {"endless": "unary_stream", "listed": "unary_stream", "fail_stream": "unary_stream"}
    return next((kind for kind in KINDS if name.endswith(kind)), others.get(name, "unary_unary"))


def handlers(servicer: Any) -> dict[str, Any]:
    """The handler of every method."""
    names = [name for name in dir(servicer) if not name.startswith("_")]
    return {name: getattr(grpc, f"{kind_of(name)}_rpc_method_handler")(getattr(servicer, name)) for name in names}
