"""The rules for every gRPC server. A subclass gives ``serving``, and inherits the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from uuid import uuid4

import grpc
import pytest

import synthetic
from tests.products.grpc import KINDS, SERVICE
from tests.products.grpc.clients import call
from tests.products.grpc.service import charged
from tests.support.entrances import callables
from tests.support.http2 import call_raw
from tests.support.keys import entry, mint
from tests.support.markers import DAY, REFUSED, STRANGERS, baggage, expired, forged, marked
from tests.support.reporting import JOURNAL
from tests.support.servers import wait_until

Keys = dict[str, Any]

_CODES = {403: grpc.StatusCode.PERMISSION_DENIED, 429: grpc.StatusCode.RESOURCE_EXHAUSTED}


STRANGE = [("unary_unary", stranger) for stranger in STRANGERS[1:]]


class GrpcServerContract:
    """A real server and real calls of every kind. Servers beside other instrumentation run these as well."""

    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        """Serve with an interceptor that has these settings; gives the port."""
        raise NotImplementedError

    @pytest.fixture
    def serve(self) -> Iterator[Callable[..., int]]:
        with ExitStack() as stack:
            yield lambda **settings: stack.enter_context(self.serving(**settings))

    @pytest.fixture
    def port(self, serve: Callable[..., int], keys: Keys) -> int:
        synthetic.configure(keys=keys)
        return serve()

    def check_real(self, seen: Any) -> None:
        assert (seen["simulated"], seen["explicit"], seen["marker"], seen["headers"]) == (False, True, None, {})
        assert "synthetic-traffic" not in seen["otel"]

    def check_simulated(self, seen: Any) -> None:
        assert (seen["simulated"], seen["explicit"]) == (True, True)

    # Real and simulated

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_call_without_a_marker_is_explicitly_real(self, port: int, kind: str) -> None:
        seen = call(port, kind).seen()
        assert seen
        for step in seen:
            self.check_real(step)
            assert step["baggage"] == []

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_good_marker_makes_every_step_of_the_call_simulated(self, port: int, keys: Keys, kind: str) -> None:
        token = mint(keys, claims={"run": "peak", "kind": "replay", "sub": "rider-7", "scenario": "book"})
        steps = call(port, kind, baggage(entry(token))).seen()
        assert len(steps) == {"unary_stream": 3, "stream_stream": 2}.get(kind, 1)
        for seen in steps:
            self.check_simulated(seen)
            assert seen["marker"] == {"run": "peak", "kind": "replay", "actor": "rider-7", "scenario": "book"}
            assert seen["headers"] == {"baggage": entry(token)}
            assert seen["otel"]["synthetic-traffic"] == token
            assert seen["injected"].split(",")[0] == entry(token)

    @pytest.mark.parametrize("simulated", [True, False])
    def test_the_requests_of_a_stream_are_read_under_the_verdict(self, port: int, keys: Keys, simulated: bool) -> None:
        seen = call(port, "stream_unary", marked(keys) if simulated else (), requests=[b"1", b"2", b"3"]).only()
        assert seen["steps"] == [simulated] * 3

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_marker_in_the_second_of_two_entries_is_found(self, port: int, keys: Keys, kind: str) -> None:
        token = mint(keys)
        for seen in call(port, kind, baggage("vendor=1,user=7", f"b=2,{entry(token)}")).seen():
            self.check_simulated(seen)
            assert ",".join(seen["baggage"]) == f"{entry(token)},vendor=1,user=7,b=2"

    # Refused

    def check_not_admitted(self, port: int, metadata: Any, status: int, reason: str, name: str = "unary_unary") -> None:
        id_ = uuid4().hex
        outcome = call(port, name, [*metadata, ("x-id", id_)])
        assert (outcome.code, outcome.trailing["synthetic-reason"]) == (_CODES[status], reason)
        assert outcome.details.startswith(f"{reason}: ")
        assert outcome.responses == []
        assert JOURNAL.of(id_) == {}

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_call_of_any_kind_can_be_refused(self, port: int, keys: Keys, kind: str) -> None:
        self.check_not_admitted(port, forged(keys), 403, "bad-signature", kind)
        for seen in call(port, kind).seen():
            self.check_real(seen)

    @pytest.mark.parametrize(("kind", "stranger"), [*((kind, STRANGERS[0]) for kind in KINDS), *STRANGE])
    def test_a_stripping_edge_removes_entries_that_are_not_our_tokens(
        self, serve: Callable[..., int], keys: Keys, kind: str, stranger: str
    ) -> None:
        synthetic.configure(keys=keys)
        port = serve(on_unverified="strip")
        for seen in call(port, kind, [*baggage(f"user=7,{stranger},b=2"), ("own", "kept")]).seen():
            self.check_real(seen)
            assert seen["baggage"] == ["user=7,b=2"]
        assert call(port, kind, baggage(stranger)).seen()[0]["baggage"] == []

    # Handlers that fail

    @pytest.mark.parametrize("name", [f"book_{kind}" for kind in KINDS])
    def test_an_effect_that_a_guard_refuses_ends_the_call(self, port: int, keys: Keys, name: str) -> None:
        synthetic.configure(keys=keys, policy={"payment": "refuse"})
        charged.clear()
        outcome = call(port, name, marked(keys))
        assert (outcome.code, outcome.trailing["synthetic-reason"]) == (_CODES[403], "effect-refused")
        assert outcome.details.startswith("effect-refused (payment): ")
        assert outcome.responses == ([b"first"] if name == "book_unary_stream" else [])
        assert charged == []
        assert call(port, name).code is grpc.StatusCode.OK
        assert charged

    @pytest.mark.parametrize("simulated", [True, False])
    @pytest.mark.parametrize("name", ["fail", "fail_stream"])
    def test_an_error_of_the_handler_is_not_changed(self, port: int, keys: Keys, name: str, simulated: bool) -> None:
        outcome = call(port, name, marked(keys) if simulated else ())
        assert outcome.code is grpc.StatusCode.UNKNOWN
        assert "as it is" in outcome.details
        assert outcome.responses == ([b"first"] if name == "fail_stream" else [])

    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_status_that_the_handler_chose_is_not_changed(self, port: int, keys: Keys, simulated: bool) -> None:
        outcome = call(port, "absent", marked(keys) if simulated else ())
        assert (outcome.code, outcome.details) == (grpc.StatusCode.NOT_FOUND, "nothing here")
        assert outcome.trailing == {"own": "kept"}

    # How long it lasts

    def test_real_and_simulated_calls_in_turn_are_not_mixed_up(self, port: int, keys: Keys) -> None:
        headers = marked(keys)
        for number in range(24):
            kind = KINDS[number % 4]
            for seen in call(port, kind, headers if number % 3 else ()).seen():
                assert (seen["simulated"], seen["explicit"]) == (bool(number % 3), True)


class StreamsThatAreLeft(GrpcServerContract):
    """For servers that end the handler of a client that has gone: all but aio servers with synchronous handlers."""

    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_stream_that_its_client_cancels_ends_under_its_verdict(
        self, port: int, keys: Keys, simulated: bool
    ) -> None:
        id_ = uuid4().hex
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            metadata = [*(marked(keys) if simulated else ()), ("x-id", id_)]
            responses = channel.unary_stream(f"/{SERVICE}/endless")(b"", metadata=metadata)
            for _ in range(3):
                next(responses)
            responses.cancel()
        wait_until(lambda: "closed" in JOURNAL.of(id_))
        assert JOURNAL.of(id_) == {"called": simulated, "closed": simulated}
        self.check_real(call(port, "unary_unary").only())


class FullServerContract(GrpcServerContract):
    """Every rule."""

    def test_without_keys_unmarked_calls_are_real(self, serve: Callable[..., int]) -> None:
        self.check_real(call(serve(), "unary_unary").only())

    def test_foreign_entries_of_a_real_call_stay_byte_for_byte(self, port: int) -> None:
        foreign = ["user=7; prop , a=%2C%20+\\x,,c", "b=2"]
        assert call(port, "unary_unary", baggage(*foreign)).only()["baggage"] == foreign

    def test_properties_and_white_space_around_a_marker_do_not_matter(self, port: int, keys: Keys) -> None:
        token = mint(keys)
        seen = call(port, "unary_unary", baggage(f"a=1, synthetic-traffic = {token} ;p=1;q")).only()
        self.check_simulated(seen)
        assert seen["baggage"] == [f"{entry(token)},a=1"]

    def test_the_same_marker_in_two_entries_of_metadata_counts_as_one(self, port: int, keys: Keys) -> None:
        token = mint(keys)
        seen = call(port, "unary_unary", baggage(entry(token), entry(token))).only()
        self.check_simulated(seen)
        assert ",".join(seen["baggage"]).count(token) == 1

    def test_a_marker_is_found_behind_8_kib_of_other_entries(self, port: int, keys: Keys) -> None:
        token = mint(keys)
        seen = call(port, "unary_unary", baggage(f"big={'x' * 9000},{entry(token)}")).only()
        self.check_simulated(seen)
        assert seen["otel"]["synthetic-traffic"] == token

    @pytest.mark.parametrize("kind", REFUSED)
    def test_a_bad_marker_is_refused_and_never_reaches_the_handler(self, port: int, keys: Keys, kind: str) -> None:
        headers, reason = REFUSED[kind]
        metadata = headers(keys)
        if all(value.isascii() for _, value in metadata):
            self.check_not_admitted(port, metadata, 403, reason)
        else:
            id_ = uuid4().hex
            answered = call_raw(port, f"/{SERVICE}/unary_unary", [*metadata, ("x-id", id_)])
            assert (answered["grpc-status"], answered["synthetic-reason"]) == ("7", reason)
            assert JOURNAL.of(id_) == {}
        self.check_real(call(port, "unary_unary").only())

    def test_without_keys_every_marker_is_refused(self, serve: Callable[..., int], keys: Keys) -> None:
        self.check_not_admitted(serve(), marked(keys), 403, "no-keys")

    def test_a_halted_run_is_refused_and_other_runs_are_admitted(self, port: int, keys: Keys) -> None:
        synthetic.configure(keys=keys, halt=["stopped"])
        self.check_not_admitted(port, marked(keys, run="stopped"), 403, "halted")
        self.check_simulated(call(port, "unary_unary", marked(keys, run="going")).only())

    @pytest.mark.parametrize("kind", ["unary_unary", "stream_stream"])
    @pytest.mark.parametrize(("setting", "reason"), [({"shed": True}, "shed"), ({"ready": False}, "not-ready")])
    def test_a_good_marker_is_deferred_while_the_service_sheds_or_is_not_ready(
        self, port: int, keys: Keys, setting: Any, reason: str, kind: str
    ) -> None:
        synthetic.configure(keys=keys, **callables(setting))
        self.check_not_admitted(port, marked(keys), 429, reason, kind)
        self.check_not_admitted(port, forged(keys), 403, "bad-signature", kind)
        self.check_real(call(port, kind).seen()[0])

    def test_an_internal_service_admits_a_marker_for_the_retention_time(
        self, serve: Callable[..., int], keys: Keys
    ) -> None:
        synthetic.configure(keys=keys)
        inside, edge = serve(edge=False), serve()
        self.check_simulated(call(inside, "unary_unary", marked(keys, **expired(6 * DAY))).only())
        self.check_not_admitted(inside, marked(keys, **expired(8 * DAY)), 403, "expired")
        self.check_not_admitted(edge, marked(keys, **expired(60)), 403, "expired")

    def test_unmarked_calls_are_refused_if_a_marker_is_required(self, serve: Callable[..., int], keys: Keys) -> None:
        synthetic.configure(keys=keys)
        port = serve(on_missing="refuse")
        self.check_not_admitted(port, baggage("user=7"), 403, "missing")
        self.check_not_admitted(port, (), 403, "missing")
        self.check_simulated(call(port, "unary_unary", marked(keys)).only())

    def test_a_stripping_edge_still_refuses_a_forged_token(self, serve: Callable[..., int], keys: Keys) -> None:
        synthetic.configure(keys=keys)
        port = serve(on_unverified="strip")
        self.check_not_admitted(port, forged(keys), 403, "bad-signature")
        self.check_simulated(call(port, "unary_unary", marked(keys)).only())

    def test_the_handlers_own_metadata_are_kept_beside_the_reason(self, port: int, keys: Keys) -> None:
        synthetic.configure(keys=keys, policy={"payment": "refuse"})
        outcome = call(port, "refused_with_own", marked(keys))
        assert outcome.trailing == {"own": "kept", "synthetic-reason": "effect-refused"}

    def test_unverified_work_in_a_handler_ends_the_call(self, port: int, keys: Keys) -> None:
        outcome = call(port, "unverified", marked(keys))
        assert (outcome.code, outcome.trailing["synthetic-reason"]) == (_CODES[403], "bad-signature")

    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_method_that_does_not_exist_is_unimplemented(self, port: int, keys: Keys, simulated: bool) -> None:
        assert call(port, "elsewhere", marked(keys) if simulated else ()).code is grpc.StatusCode.UNIMPLEMENTED

    def test_a_handler_may_return_an_iterator_instead_of_a_generator(self, port: int, keys: Keys) -> None:
        assert [seen["simulated"] for seen in call(port, "listed", marked(keys)).seen()] == [True, True]
        assert [seen["simulated"] for seen in call(port, "listed").seen()] == [False, False]

    def test_an_effect_of_a_handler_without_a_generator_can_be_refused(self, port: int, keys: Keys) -> None:
        self.test_an_effect_that_a_guard_refuses_ends_the_call(port, keys, "eager_unary_stream")
