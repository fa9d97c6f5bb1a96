"""The WSGI middleware on wsgiref, waitress and gunicorn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.contract.lifetime import LifetimeContract, PersistentContract
from tests.support.entrances import entrances, wsgi_entrances
from tests.support.handles import RemoteServer, Server
from tests.support.markers import marked
from tests.support.reporting_wsgi import FILE_CONTENT, application
from tests.support.servers import gunicorn_server, waitress_server, wsgiref_server
from tests.support.wire import get

SERVICE = """
import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.support.entrances import entrances, wsgi_control, wsgi_entrances
from tests.support.reporting_wsgi import application

synthetic.instrument("http-client")
apps = entrances(SyntheticTrafficMiddleware, application)
service = wsgi_entrances({**apps, "control": wsgi_control})
"""


class FileContract(LifetimeContract):
    """How servers handle the response bodies that they recognise."""

    file_wrapper = "FileWrapper"

    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_file_arrives_whole(self, server: Server, keys: dict[str, Any], simulated: bool) -> None:
        server.configure(keys=keys)
        assert self.call(server, "/plain/file", marked(keys) if simulated else ()).body == FILE_CONTENT

    def test_the_server_itself_sends_a_real_file(self, server: Server, keys: dict[str, Any]) -> None:
        server.configure(keys=keys)
        id_ = uuid4().hex
        self.call(server, "/plain/file", [("x-id", id_)])
        assert server.journal(id_)["type"] == self.file_wrapper


class ListContract(FileContract):
    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_list_keeps_its_content_length(self, server: Server, keys: dict[str, Any], simulated: bool) -> None:
        server.configure(keys=keys)
        response = self.call(server, "/plain/echo", marked(keys) if simulated else ())
        assert response.values("content-length") == [str(len(response.body))]


def protected() -> Any:
    return wsgi_entrances(entrances(SyntheticTrafficMiddleware, application))


class TestWsgiref(ListContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with wsgiref_server(protected()) as port:
            yield Server(port)


class TestWaitress(ListContract, PersistentContract):
    header_joint = ", "
    file_wrapper = "ReadOnlyFileBasedBuffer"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with waitress_server(protected()) as port:
            yield Server(port)


def service_in(folder: Path) -> Path:
    (folder / "rides.py").write_text(SERVICE)
    return folder


class GunicornContract(FileContract):
    """One worker process."""

    options: tuple[str, ...] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        folder = service_in(tmp_path_factory.mktemp("service"))
        with gunicorn_server(folder, "rides:service", {}, *cls.options) as (port, log):
            yield RemoteServer(port)
        assert "Failed to detach" not in log.read_text()


class TestGunicornSync(GunicornContract):
    options = ("--worker-class", "sync")


class TestGunicornThreads(GunicornContract, PersistentContract):
    options = ("--worker-class", "gthread", "--threads", "4")


def test_a_worker_is_configured_by_its_environment(tmp_path: Path, keys: dict[str, Any]) -> None:
    variables = {"SYNTHETIC_KEYS": json.dumps(keys), "SYNTHETIC_ENVIRONMENT": "staging", "SYNTHETIC_HALT": "stopped"}
    with gunicorn_server(service_in(tmp_path), "rides:service", variables) as (port, _):
        assert get(port, "/plain/echo", marked(keys, aud="staging", run="peak")).json()["marker"]["run"] == "peak"
        assert get(port, "/plain/echo", marked(keys, aud="staging", run="stopped")).json()["reason"] == "halted"
        assert get(port, "/plain/echo", marked(keys)).json()["reason"] == "wrong-environment"
        assert get(port, "/plain/echo").json()["simulated"] is False
