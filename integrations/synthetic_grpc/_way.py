"""The way out of one channel: the metadata that a call leaves with."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from opentelemetry.context import Context

from synthetic._carrier import NAME
from synthetic._config import active
from synthetic._egress import depart
from synthetic._failure import go_on_after
from synthetic.errors import ExternalCallRefused
from synthetic_grpc._target import urls_of

__all__ = ["Way"]


class Way:
    """Decides for the calls to one target; what is refused raises ``refused``."""

    __slots__ = ("_refused", "_url", "_urls")

    def __init__(self, target: str, refused: type[ExternalCallRefused]) -> None:
        self._urls = urls_of(target)
        self._url = self._urls[0] if len(self._urls) == 1 else None
        self._refused = refused

    def leaving(self, metadata: Any) -> tuple[Any, Context | None]:
        """Return the metadata that a call leaves with, and the OpenTelemetry context to make it in, or None.

        The caller's metadata are not changed, and returned where they may stay as they are.
        """
        pairs: Any = tuple(metadata) if hasattr(metadata, "__next__") else metadata
        try:
            url = self._url or self._deciding()
            if not pairs:
                header, otel = depart(url, None, refused=self._refused)
                return (pairs if header is None else ((NAME, header),)), otel
            present = [_text(value) for name, value in pairs if name == NAME]
            carried = ",".join(present) if present else None
            header, otel = depart(url, carried, refused=self._refused)
        except Exception as error:
            return go_on_after(error, (pairs, None))
        if header == carried:
            return pairs, otel
        kept = tuple(pair for pair in pairs if pair[0] != NAME)
        return (kept if header is None else ((NAME, header), *kept)), otel

    def _deciding(self) -> str:
        """Of several addresses, any of which a call may go to: the first that does not take part, if there is one."""
        hosts = active().internal_hosts
        return next((url for url in self._urls if (urlsplit(url).hostname or "") not in hosts), self._urls[0])


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
