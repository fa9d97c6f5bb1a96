"""Flask with ``synthetic_flask.install``, on wsgiref, waitress and gunicorn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.lifetime import LifetimeContract, PersistentContract
from tests.products.flask import installed
from tests.support.entrances import installed_entrances, wsgi_entrances
from tests.support.handles import RemoteServer, Server
from tests.support.keys import entry, mint
from tests.support.markers import baggage, marked
from tests.support.servers import gunicorn_server, waitress_server, wsgiref_server

Keys = dict[str, Any]


class FlaskContract(LifetimeContract):
    @pytest.mark.parametrize("simulated", [True, False])
    def test_an_async_view_sees_the_verdict(self, server: Server, keys: Keys, simulated: bool) -> None:
        server.configure(keys=keys)
        token = mint(keys)
        seen = self.call(server, "/plain/async-echo", baggage(entry(token)) if simulated else ()).json()
        assert (seen["simulated"], seen["explicit"]) == (simulated, True)
        assert seen["otel"].get("synthetic-traffic") == (token if simulated else None)
        self.check_real(self.call(server, "/plain/async-echo").json())


class TestWsgiref(FlaskContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with wsgiref_server(wsgi_entrances(installed_entrances(installed))) as port:
            yield Server(port)


class TestWaitress(FlaskContract, PersistentContract):
    header_joint = ", "

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with waitress_server(wsgi_entrances(installed_entrances(installed))) as port:
            yield Server(port)


SERVICE = """
import synthetic
synthetic.instrument("logging")
from tests.products.flask import installed
from tests.support.entrances import installed_entrances, wsgi_control, wsgi_entrances

service = wsgi_entrances({**installed_entrances(installed), "control": wsgi_control})
"""


class TestGunicornWithThreads(FlaskContract, PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        folder: Path = tmp_path_factory.mktemp("gunicorn")
        (folder / "service.py").write_text(SERVICE)
        with gunicorn_server(folder, "service:service", {}, "--worker-class", "gthread", "--threads", "4") as (port, _):
            yield RemoteServer(port)

    def test_the_request_after_a_marked_one_on_the_thread_is_real(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        for _ in range(20):
            self.check_simulated(self.call(server, "/plain/echo", marked(keys)).json())
            self.check_real(self.call(server, "/plain/echo").json())
