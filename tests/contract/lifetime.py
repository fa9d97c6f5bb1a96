"""How long a verdict lasts on a server: for the whole request, and no longer."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.server import Keys, ServerContract
from tests.support.handles import Server
from tests.support.markers import forged, marked
from tests.support.wire import Connection, request_bytes


class LifetimeContract(ServerContract):
    """Long requests, broken ones, and the ones that follow them."""

    def test_the_request_after_a_marked_one_with_a_large_body_is_real(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        with Connection(server.port) as connection:
            for _ in range(2):
                seen = connection.request("/plain/body", marked(keys), method="POST", body=b"x" * 300_000).json()
                self.check_simulated(seen)
                assert seen["length"] == 300_000
                self.check_real(connection.request("/plain/echo").json())

    def test_the_request_after_a_refused_one_with_a_large_body_is_real(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        with Connection(server.port) as connection:
            assert connection.request("/plain/body", forged(keys), method="POST", body=b"x" * 20_000).status == 403
            self.check_real(connection.request("/plain/echo").json())

    @pytest.mark.parametrize("simulated", [True, False])
    def test_each_step_of_a_streamed_response_sees_the_verdict(
        self, server: Server, keys: Keys, simulated: bool
    ) -> None:
        server.configure(keys=keys)
        steps = self.call(server, "/plain/stream", marked(keys) if simulated else ()).lines()
        assert [(step["step"], step["simulated"], step["explicit"]) for step in steps] == [
            (number, simulated, True) for number in range(3)
        ]

    @pytest.mark.parametrize("simulated", [True, False])
    def test_work_after_the_response_sees_the_verdict(self, server: Server, keys: Keys, simulated: bool) -> None:
        server.configure(keys=keys)
        id_ = uuid4().hex
        assert self.call(server, "/plain/after", [*(marked(keys) if simulated else ()), ("x-id", id_)]).status == 200
        assert server.step(id_, "after") is simulated

    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_client_that_drops_an_event_stream_leaves_no_verdict_behind(
        self, server: Server, keys: Keys, simulated: bool
    ) -> None:
        server.configure(keys=keys)
        id_ = uuid4().hex
        with Connection(server.port) as connection:
            connection.send(request_bytes("/plain/events", [*(marked(keys) if simulated else ()), ("x-id", id_)]))
            seen = [json.loads(connection.line_after(b"data: ")) for _ in range(3)]
        assert [event["simulated"] for event in seen] == [simulated] * 3
        assert server.step(id_, "closed") is simulated
        self.check_real(self.call(server, "/plain/echo").json())

    @pytest.mark.parametrize("action", ["fail", "fail-late"])
    def test_a_failing_application_leaves_no_verdict_behind(self, server: Server, keys: Keys, action: str) -> None:
        server.configure(keys=keys)
        for _ in range(3):
            with Connection(server.port) as connection:
                connection.send(request_bytes(f"/plain/{action}", marked(keys)))
                status, _ = connection.head()
            assert status == (500 if action == "fail" else 200)
            self.check_real(self.call(server, "/plain/echo").json())

    def test_applying_the_middleware_twice_gives_the_same_verdict(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        seen = self.call(server, "/twice/echo", marked(keys)).json()
        self.check_simulated(seen)
        assert len(seen["baggage"]) == 1
        self.check_not_admitted(server, forged(keys), 403, "bad-signature", "twice")
        self.check_real(self.call(server, "/twice/echo").json())
        assert self.call(server, "/twice/echo", marked(keys)).values("cache-control") == ["private, no-store"]


class PersistentContract(LifetimeContract):
    """For servers that take several requests from one connection."""

    def test_each_pipelined_request_has_its_own_verdict(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        wanted: list[Any] = [True, False, True, False, False, True, 403, False]
        headers = {True: marked(keys), False: [], 403: forged(keys)}
        with Connection(server.port) as connection:
            connection.send(b"".join(request_bytes("/plain/echo", headers[kind]) for kind in wanted))
            responses = [connection.response() for _ in wanted]
        seen = [r.json()["simulated"] if r.status == 200 else r.status for r in responses]
        assert seen == wanted

    def test_a_halt_and_missing_keys_leave_an_admitted_request_simulated(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        with Connection(server.port) as connection:
            connection.send(request_bytes("/plain/events", marked(keys)))
            self.check_simulated(json.loads(connection.line_after(b"data: ")))
            server.configure(halt="all")
            for _ in range(20):
                self.check_simulated(json.loads(connection.line_after(b"data: ")))

    def test_a_request_after_a_refused_head_request_gets_its_own_response(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        with Connection(server.port) as connection:
            for _ in range(3):
                connection.send(request_bytes("/plain/echo", forged(keys), method="HEAD"))
                status, _ = connection.head()
                assert (status, connection.is_over) == (403, False)
                self.check_simulated(connection.request("/plain/echo", marked(keys)).json())
                self.check_real(connection.request("/plain/echo").json())

    def test_refused_head_requests_can_be_pipelined(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        refused = request_bytes("/plain/echo", forged(keys), method="HEAD")
        with Connection(server.port) as connection:
            connection.send(refused * 2 + request_bytes("/plain/echo"))
            assert [connection.head()[0] for _ in range(2)] == [403, 403]
            self.check_real(connection.response().json())
