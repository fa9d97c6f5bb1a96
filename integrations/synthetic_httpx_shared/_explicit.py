"""Transports that send the marker along through another transport, for use without patches."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from synthetic_httpx_shared._out import Errors, sent, sent_async

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncCarrying", "Carrying"]

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
TransportT = TypeVar("TransportT")


class Carrying(Generic[RequestT, ResponseT, TransportT]):
    """A synchronous transport; ``transport`` makes the calls."""

    _errors: ClassVar[Errors]

    def __init__(self, transport: TransportT) -> None:
        self.transport: TransportT = transport

    def handle_request(self, request: RequestT) -> ResponseT:
        """Send one request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        inner: Any = self.transport
        response: ResponseT = sent(inner.handle_request, request, self._errors)
        return response

    def close(self) -> None:
        """Close the transport that makes the calls."""
        inner: Any = self.transport
        inner.close()

    def __enter__(self) -> Self:
        inner: Any = self.transport
        inner.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        inner: Any = self.transport
        inner.__exit__(exc_type, exc_value, traceback)


class AsyncCarrying(Generic[RequestT, ResponseT, TransportT]):
    """An asynchronous transport; ``transport`` makes the calls."""

    _errors: ClassVar[Errors]

    def __init__(self, transport: TransportT) -> None:
        self.transport: TransportT = transport

    async def handle_async_request(self, request: RequestT) -> ResponseT:
        """Send one request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        inner: Any = self.transport
        response: ResponseT = await sent_async(inner.handle_async_request, request, self._errors)
        return response

    async def aclose(self) -> None:
        """Close the transport that makes the calls."""
        inner: Any = self.transport
        await inner.aclose()

    async def __aenter__(self) -> Self:
        inner: Any = self.transport
        await inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        inner: Any = self.transport
        await inner.__aexit__(exc_type, exc_value, traceback)
