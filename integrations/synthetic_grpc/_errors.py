"""A call that is refused before it leaves: an error of ours, and of the library's."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import grpc.aio

from synthetic import Marker
from synthetic.errors import ExternalCallRefused

__all__ = ["AioExternalRpcRefused", "ExternalRpcRefused"]

if TYPE_CHECKING:
    _Future = grpc.Future[Any]
else:
    _Future = grpc.Future  # not generic where the program runs

_CODE = grpc.StatusCode.PERMISSION_DENIED


class ExternalRpcRefused(ExternalCallRefused, grpc.RpcError, grpc.Call, _Future):
    """Simulated work called a host that does not take part. Also a ``grpc.RpcError``.

    Like those of grpc itself it is a call that has ended, for interceptors above look at it as one.
    """

    def code(self) -> grpc.StatusCode:
        """Return PERMISSION_DENIED, which nobody retries."""
        return _CODE

    def details(self) -> str:
        """Return the message."""
        return str(self)

    def initial_metadata(self) -> tuple[()]:
        """Return no metadata."""
        return ()

    def trailing_metadata(self) -> tuple[()]:
        """Return no metadata."""
        return ()

    def is_active(self) -> bool:
        """Return False."""
        return False

    def time_remaining(self) -> float:
        """Return 0."""
        return 0

    def cancel(self) -> bool:
        """Return False: the call was never made."""
        return False

    def cancelled(self) -> bool:
        """Return False."""
        return False

    def running(self) -> bool:
        """Return False."""
        return False

    def done(self) -> bool:
        """Return True."""
        return True

    def result(self, timeout: float | None = None) -> NoReturn:
        """Raise the error itself."""
        raise self

    def exception(self, timeout: float | None = None) -> ExternalRpcRefused:
        """Return the error itself."""
        return self

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        """Return the traceback of the error."""
        return self.__traceback__

    def add_callback(self, callback: Callable[[], object]) -> bool:
        """Return False: the call has ended."""
        return False

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """Call ``fn`` at once."""
        fn(self)


class AioExternalRpcRefused(ExternalCallRefused, grpc.aio.AioRpcError):
    """Simulated work called a host that does not take part. Also a ``grpc.aio.AioRpcError``."""

    def __init__(self, message: str, *, effect: str, marker: Marker | None, target: str) -> None:
        # Each base would hand its arguments on to the other, which takes different ones.
        grpc.aio.AioRpcError.__init__(self, _CODE, grpc.aio.Metadata(), grpc.aio.Metadata(), message)
        Exception.__init__(self, message)
        self.effect = effect
        self.marker = marker
        self.target = target

    def __str__(self) -> str:
        return Exception.__str__(self)

    def __repr__(self) -> str:
        return Exception.__repr__(self)

    def __reduce__(self) -> tuple[object, ...]:
        return ExternalCallRefused.__reduce__(self)
