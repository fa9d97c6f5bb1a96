"""The marker in gRPC calls: in the ``baggage`` metadata of a request, at the client and at the server, sync and aio.

``instrument()`` (or ``synthetic.instrument("grpc")``) covers the channels and servers that are created after it. The
interceptors cover what they are given to.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_grpc import _aio_client, _client, _install
from synthetic_grpc._aio_client import aio_client_interceptors
from synthetic_grpc._aio_server import AioServerInterceptor
from synthetic_grpc._client import ClientInterceptor
from synthetic_grpc._errors import AioExternalRpcRefused, ExternalRpcRefused
from synthetic_grpc._server import ServerInterceptor

__all__ = [
    "AioExternalRpcRefused",
    "AioServerInterceptor",
    "ClientInterceptor",
    "ExternalRpcRefused",
    "ServerInterceptor",
    "aio_client_interceptors",
    "instrument",
    "integration",
    "uninstrument",
]

# The classes behind grpc.insecure_channel, grpc.server and their like, not those functions: others replace the
# functions, and put back what they found. On a channel, ours is below the interceptors of all others.
_channel: Any = import_module("grpc._channel").Channel
_server: Any = import_module("grpc._server")._Server
_aio_channel: Any = import_module("grpc.aio._channel").Channel
_aio_server: Any = import_module("grpc.aio._server").Server

integration: Integration = Patches(
    *(Patch(_channel, name, _client.marking(kind)) for name, kind in _client.KINDS.items()),
    Patch(_aio_channel, "__init__", _aio_client.remembering),
    *(Patch(_aio_channel, name, _aio_client.marking(*kind)) for name, kind in _aio_client.KINDS.items()),
    Patch(_server, "__init__", _install.admitting(ServerInterceptor)),
    Patch(_aio_server, "__init__", _install.admitting(AioServerInterceptor)),
)
"""The entry point ``grpc``."""


def instrument() -> None:
    """Cover every channel and server that is created from now on. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Channels and servers that exist go on without the marker."""
    integration.uninstrument()
