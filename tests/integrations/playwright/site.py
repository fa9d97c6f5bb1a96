"""A site of several hosts, all of them one server on this machine, that remembers what it was asked."""

from __future__ import annotations

from typing import Any

from tests.support.clients import has_no_marker
from tests.support.recording_server import Answer, Recorded, RecordingServer
from tests.support.servers import PATIENCE

SHOP = "shop.test"
API = "api.test"
LOCAL = "127.0.0.1"
"""For service workers, which a browser allows on this machine only, and for calls that are made past the browser."""
OURS = [".test", LOCAL]

VENDOR = "cdn.vendor.example"
LOCAL_VENDOR = "localhost"


class Site(RecordingServer):
    """``shop()``, ``api()`` and ``vendor()`` give addresses; ``sent()`` says what came."""

    is_real = False
    """Whether the test makes requests that have to be real."""

    def shop(self, path: str = "/") -> str:
        return self.url(path, host=SHOP)

    def api(self, path: str = "/") -> str:
        return self.url(path, host=API)

    def local(self, path: str = "/") -> str:
        return self.url(path, host=LOCAL)

    def vendor(self, path: str = "/") -> str:
        return self.url(path, host=VENDOR)

    def local_vendor(self, path: str = "/") -> str:
        return self.url(path, host=LOCAL_VENDOR)

    def document(self, path: str, html: str = "<p>Hello") -> None:
        self.answers[path] = Answer(200, (("Content-Type", "text/html"),), html.encode())

    def script(self, path: str, code: str) -> None:
        self.answers[path] = Answer(200, (("Content-Type", "text/javascript"),), code.encode())

    def shared(self, path: str) -> None:
        """Answer ``path``, and its preflight, also for the pages of the shop, with their cookies."""
        headers = (
            ("Access-Control-Allow-Origin", self.shop("")),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Allow-Headers", "content-type"),
        )
        self.answers[path] = Answer(200, headers)

    def sent(self) -> list[tuple[str, str, bool]]:
        """Host, path, and whether it was marked, of each request but those for icons, in order."""
        return [
            (self.host_of(request), request.path, self.is_marked(request))
            for request in tuple(self.requests)
            if request.path != "/favicon.ico"
        ]

    def host_of(self, request: Recorded) -> str:
        return request.values("Host")[0].partition(":")[0]

    def is_marked(self, request: Recorded) -> bool:
        return not has_no_marker(request)

    def takes_part(self, request: Recorded) -> bool:
        return self.host_of(request) in (SHOP, API, LOCAL)

    def wait(self, page: Any, *paths: str) -> None:
        """Wait until these were requested. The sync API works only while it is called."""
        for _ in range(int(PATIENCE * 100)):
            if set(paths) <= {request.path for request in tuple(self.requests)}:
                return
            page.wait_for_timeout(10)
        raise AssertionError(f"{paths} did not come, but {self.sent()}")
