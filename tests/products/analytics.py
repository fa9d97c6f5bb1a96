"""Analytics SDKs, each with a client that sends to a vendor of our own, and the vendor."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import gzip
import inspect
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

__all__ = ["SDKS", "AsynchronousPosthog", "Sdk", "Vendor", "vendor"]


class Vendor:
    """An HTTP server that keeps the names of the events that it gets: words such as ``real-1``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.events: list[str] = []
        self.headers: list[str] = []
        self.to_stop: list[Callable[[], object]] = []


@contextmanager
def vendor() -> Iterator[Vendor]:
    """Run a vendor that accepts everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if body[:2] == b"\x1f\x8b":
                body = gzip.decompress(body)
            text = urllib.parse.unquote_plus(body.decode())
            text += "".join(_decoded(part) for part in re.findall(r"[A-Za-z0-9+/=]{40,}", text))
            there.headers.append(str(self.headers))
            there.events.extend(re.findall(r"\b(?:real|undecided|simulated)-\d+\b", text))
            answer = b'{"code": 200, "status": 1}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there = Vendor(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield there
        for stop in there.to_stop:
            stop()
        server.shutdown()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""


class Sdk(NamedTuple):
    """One SDK: how to make its client, hand events over to it in each way it knows, and have them sent."""

    name: str
    client: Callable[[Vendor], Any]
    ways: dict[str, Callable[[Any, str], object]]
    flush: Callable[[Any], object]


def _posthog(there: Vendor) -> Any:
    from posthog.client import Client

    return Client("phc_x", host=there.url)


class AsynchronousPosthog:
    """The asynchronous client, in an event loop of its own. A call has the verdict of its caller."""

    def __init__(self, there: Vendor) -> None:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        contextvars.Context().run(thread.start)
        self._client = self._call(lambda: self._made(there))
        there.to_stop.append(lambda: self._stop(thread))

    def _made(self, there: Vendor) -> Any:
        from posthog.async_client import AsyncClient

        return AsyncClient("phc_x", host=there.url, max_retries=0)

    def _call(self, function: Callable[[], Any]) -> Any:
        async def call() -> Any:
            result = function()
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(60)

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self._call(lambda: getattr(self._client, name)(*args, **kwargs))

    def _stop(self, thread: threading.Thread) -> None:
        self._call(lambda: self._client.shutdown())
        self._call(self._loop.shutdown_default_executor)
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join()
        self._loop.close()


def _raising(client: Any, event: str) -> object:
    try:
        raise ValueError(event)
    except ValueError as error:
        return client.capture_exception(error, distinct_id="ann")


def _segment(there: Vendor) -> Any:
    from segment.analytics.client import Client

    return Client("key", host=there.url)


def _rudderstack(there: Vendor) -> Any:
    from rudderstack.analytics.client import Client

    return Client("key", host=there.url)


def _mixpanel(there: Vendor) -> Any:
    from mixpanel import Consumer, Mixpanel

    return Mixpanel("token", consumer=Consumer(**_mixpanel_urls(there)))


def _mixpanel_with_a_buffer(there: Vendor) -> Any:
    from mixpanel import BufferedConsumer, Mixpanel

    return Mixpanel("token", consumer=BufferedConsumer(**_mixpanel_urls(there)))


def _mixpanel_urls(there: Vendor) -> dict[str, str]:
    return {f"{kind}_url": f"{there.url}/{kind}" for kind in ("events", "people", "import", "groups")}


_MIXPANEL: dict[str, Callable[[Any, str], object]] = {
    "track": lambda client, event: client.track("ann", event),
    "people_set": lambda client, event: client.people_set("ann", {"event": event}),
    "people_increment": lambda client, event: client.people_increment(event, {"rides": 1}),
    "group_set": lambda client, event: client.group_set("city", "Bremen", {"event": event}),
}


def _amplitude(there: Vendor) -> Any:
    from amplitude import Amplitude

    client = Amplitude("key")
    client.configuration.server_url = there.url
    return client


def _amplitude_event(event: str) -> Any:
    from amplitude import BaseEvent

    return BaseEvent(event_type=event, user_id="rider-ann")


def _amplitude_identify(client: Any, event: str) -> object:
    from amplitude import EventOptions, Identify

    return client.identify(Identify().set("event", event), EventOptions(user_id="rider-ann"))


_SEGMENT: dict[str, Callable[[Any, str], object]] = {
    "track": lambda client, event: client.track("ann", event),
    "identify": lambda client, event: client.identify("ann", {"event": event}),
    "group": lambda client, event: client.group("ann", event),
    "page": lambda client, event: client.page("ann", "rides", event),
    "screen": lambda client, event: client.screen("ann", "rides", event),
    "alias": lambda client, event: client.alias(event, "ann"),
}

_POSTHOG: dict[str, Callable[[Any, str], object]] = {
    "capture": lambda client, event: client.capture(event, distinct_id="ann"),
    "set": lambda client, event: client.set(distinct_id="ann", properties={"event": event}),
    "set_once": lambda client, event: client.set_once(distinct_id="ann", properties={"event": event}),
    "group_identify": lambda client, event: client.group_identify("city", event),
    "alias": lambda client, event: client.alias(event, "ann"),
    "capture_exception": _raising,
}

SDKS = [
    Sdk("posthog", _posthog, _POSTHOG, lambda client: client.flush()),
    Sdk(
        "asynchronous posthog",
        AsynchronousPosthog,
        {
            **_POSTHOG,
            "capture_immediate": lambda client, event: client.capture_immediate(event, distinct_id="ann"),
        },
        lambda client: client.flush(),
    ),
    Sdk("segment", _segment, _SEGMENT, lambda client: client.flush()),
    Sdk("rudderstack", _rudderstack, _SEGMENT, lambda client: client.flush()),
    Sdk("mixpanel", _mixpanel, _MIXPANEL, lambda client: None),
    Sdk("mixpanel with a buffer", _mixpanel_with_a_buffer, _MIXPANEL, lambda client: client._consumer.flush()),
    Sdk(
        "amplitude",
        _amplitude,
        {
            "track": lambda client, event: client.track(_amplitude_event(event)),
            "identify": _amplitude_identify,
        },
        lambda client: client.flush(),
    ),
]
