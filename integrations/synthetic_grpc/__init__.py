"""The marker in gRPC calls: in the ``baggage`` metadata of each call, at the client and at the server, sync and aio.

``synthetic.instrument("grpc")`` covers the channels and servers that are created after it. After
``synthetic.uninstrument("grpc")`` they go on without the marker. The interceptors cover the channel or server that they
are given to.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from synthetic.integration import Integration, Patch, Patches
from synthetic_grpc import _callbacks, _in, _out, _out_aio
from synthetic_grpc._explicit import ClientInterceptor, aio_client_interceptors
from synthetic_grpc._in import ServerInterceptor
from synthetic_grpc._in_aio import AioServerInterceptor
from synthetic_grpc._refusal import AioExternalRpcRefused, ExternalRpcRefused

__all__ = [
    "AioExternalRpcRefused",
    "AioServerInterceptor",
    "ClientInterceptor",
    "ExternalRpcRefused",
    "ServerInterceptor",
    "aio_client_interceptors",
    "integration",
]

# The classes behind grpc.insecure_channel, grpc.server and so on, and not those functions: other libraries replace the
# functions, and put back what they found. On a channel, our patch is below the interceptors of all other libraries.
_channels: Any = import_module("grpc._channel")
_channel: Any = _channels.Channel
_ready: Any = import_module("grpc._utilities")._ChannelReadyFuture
_server: Any = import_module("grpc._server")._Server
_aio_channel: Any = import_module("grpc.aio._channel").Channel
_aio_call: Any = import_module("grpc.aio._call").Call
_aio_intercepted: Any = import_module("grpc.aio._interceptor").InterceptedCall
_aio_server: Any = import_module("grpc.aio._server").Server

_REGISTERING: Final[tuple[tuple[Any, str], ...]] = (
    (_channels._Rendezvous, "add_callback"),
    (_channels._SingleThreadedRendezvous, "add_done_callback"),
    (_channels._MultiThreadedRendezvous, "add_done_callback"),
    (_channel, "subscribe"),
    (_ready, "add_done_callback"),
    (_aio_call, "add_done_callback"),
    (_aio_intercepted, "add_done_callback"),
)
"""What takes a callback of the application."""

_STARTING: Final = ("_run_channel_spin_thread", "_spawn_delivery", "_subscribe", "_spawn_poll_connectivity")
"""What starts a thread that a channel keeps for all of its calls. The last one is not in every version."""

integration: Integration = Patches(
    *(Patch(_channel, name, _out.marking(kind)) for name, kind in _out.KINDS.items()),
    Patch(_aio_channel, "__init__", _out_aio.remembering),
    *(Patch(_aio_channel, name, _out_aio.marking(*kind)) for name, kind in _out_aio.KINDS.items()),
    *(Patch(*place, _callbacks.registering) for place in _REGISTERING),
    *(Patch(_channels, name, _callbacks.starting) for name in _STARTING if hasattr(_channels, name)),
    Patch(_server, "__init__", _in.admitting(ServerInterceptor)),
    Patch(_aio_server, "__init__", _in.admitting(AioServerInterceptor)),
)
"""The entry point ``grpc``."""
