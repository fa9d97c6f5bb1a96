"""aiohttp's server, behind ``synthetic_aiohttp.install``: every rule for servers, with real connections."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.lifetime import PersistentContract
from tests.products.aiohttp.server import (
    aiohttp_server,
    entrances,
)
from tests.support.handles import Server
from tests.support.markers import marked

Keys = dict[str, Any]


class TestServer(PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with aiohttp_server(entrances) as port:
            yield Server(port)

    @pytest.fixture(autouse=True)
    def nothing_is_logged(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        yield  # but what aiohttp says of an application that fails
        assert not [r for r in caplog.records if r.levelno >= logging.ERROR and r.name != "aiohttp.server"]

    @pytest.mark.parametrize("simulated", [True, False])
    def test_each_step_of_a_generated_body_sees_the_verdict(self, server: Server, keys: Keys, simulated: bool) -> None:
        server.configure(keys=keys)
        response = self.call(server, "/plain/generated", marked(keys) if simulated else ())
        assert [(step["simulated"], step["explicit"]) for step in response.lines()] == [(simulated, True)] * 3
        assert response.values("cache-control") == (["private, no-store"] if simulated else ["public, max-age=60"])

    @pytest.mark.parametrize("path", ["/plain/none", "/plain/fail"])
    def test_an_error_for_a_simulated_request_must_not_be_cached(self, server: Server, keys: Keys, path: str) -> None:
        server.configure(keys=keys)
        response = self.call(server, path, marked(keys))
        assert response.status in (404, 500)
        assert response.values("cache-control") == ["private, no-store"]
        assert self.call(server, path).values("cache-control") == []
