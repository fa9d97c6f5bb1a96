"""A WSGI application that reports what it saw: the last segment of the path says how."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.support import streams
from tests.support.reporting import APPLICATION_HEADERS, JOURNAL

FILE_CONTENT = b"a file's content\n" * 1000


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    call = _Call(environ, start_response)
    JOURNAL.note(call.id, "called")
    action = environ["PATH_INFO"].rpartition("/")[2]
    return getattr(call, action.replace("-", "_"))()


class _Call:
    def __init__(self, environ: dict[str, Any], start_response: Any) -> None:
        self.environ, self.start_response = environ, start_response
        self.id = environ.get("HTTP_X_ID", "")

    def report(self, **more: Any) -> bytes:
        header = self.environ.get("HTTP_BAGGAGE")
        return streams.line([] if header is None else [header], **more)

    def start(self) -> None:
        self.start_response("200 OK", list(APPLICATION_HEADERS))

    def echo(self, **more: Any) -> list[bytes]:
        self.start()
        return [self.report(**more)]

    def body(self) -> list[bytes]:
        return self.echo(length=len(self.environ["wsgi.input"].read(int(self.environ["CONTENT_LENGTH"]))))

    def stream(self) -> Iterator[bytes]:
        self.start()
        yield from streams.steps(self.report)

    def fail(self) -> list[bytes]:
        raise RuntimeError("the application fails")

    def fail_late(self) -> Iterator[bytes]:
        self.start()
        yield from streams.failing_steps(self.report)

    def after(self) -> Iterable[bytes]:
        return _Closing(self.echo(), lambda: JOURNAL.note(self.id, "after"))

    def events(self) -> Iterator[bytes]:
        self.start()
        yield from streams.events(self.report, self.id)

    def file(self) -> Iterable[bytes]:
        self.start()
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the server closes it)
        file.write(FILE_CONTENT)
        file.seek(0)
        wrapped: Iterable[bytes] = self.environ["wsgi.file_wrapper"](file)
        return wrapped


class _Closing:
    def __init__(self, body: Iterable[bytes], on_close: Callable[[], None]) -> None:
        self._body = iter(body)
        self.close = on_close

    def __iter__(self) -> Iterator[bytes]:
        return self._body
