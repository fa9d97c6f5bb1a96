"""What a guard changes on every kind of callable, and what it keeps. Each kind inherits the suite."""

from __future__ import annotations

import contextvars
import copy
import inspect
import pickle
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import baggage, context

import synthetic
from synthetic import EffectRefused, Marker, UnverifiedMarker, guard, simulated
from synthetic.ledger import recorded

VALUE = "the value"

# Action of the policy, option of the guard, result. See docs/guards.md, "What a guard does".
TABLE = [
    (None, "instead", "fake"),
    (None, "returns", "value"),
    (None, "neither", "none"),
    ("allow", "instead", "real"),
    ("allow", "returns", "real"),
    ("allow", "neither", "real"),
    ("skip", "instead", "none"),
    ("skip", "returns", "value"),
    ("skip", "neither", "none"),
    ("substitute", "instead", "fake"),
    ("substitute", "returns", "refused"),
    ("substitute", "neither", "refused"),
    ("divert", "instead", "refused"),
    ("divert", "returns", "refused"),
    ("divert", "neither", "refused"),
    ("refuse", "instead", "refused"),
    ("refuse", "returns", "refused"),
    ("refuse", "neither", "refused"),
]

_PREDICATES = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
    inspect.isfunction,
    inspect.ismethod,
    inspect.isroutine,
    callable,
)


@contextmanager
def unverified() -> Iterator[None]:
    """Work with a marker in its baggage that does not verify."""
    token = context.attach(baggage.set_baggage("synthetic-traffic", "not-a-token"))
    try:
        yield
    finally:
        context.detach(token)


class GuardContract:
    """A subclass says how its kind of callable is made, reached and run to its end.

    ``plain`` gives a callable that appends "real" to ``calls``; ``fake`` its substitute, which appends "fake".
    """

    @pytest.fixture(autouse=True)
    def _keys(self, keys: dict[str, Any]) -> None:
        self.keys = keys
        synthetic.configure(keys=keys)

    def plain(self, calls: list[str]) -> Any:
        raise NotImplementedError

    def fake(self, calls: list[str]) -> Any:
        raise NotImplementedError

    def undecorated(self, plain: Any) -> Any:
        return plain

    def decorated(self, plain: Any, **options: Any) -> Any:
        return guard("payment", **options)(plain)

    def reached(self, decorated: Any) -> Any:
        return decorated

    def ended(self, result: Any) -> Any:
        return result

    def skipped(self, value: Any) -> Any:
        return value

    def performed(self, function: Any) -> Any:
        return self.ended(self.called(function))

    def called(self, function: Any) -> Any:
        return self.reached(function)(5, currency="USD")

    def options(self, having: str, calls: list[str]) -> dict[str, Any]:
        return {"instead": {"instead": self.fake(calls)}, "returns": {"returns": VALUE}, "neither": {}}[having]

    def configure(self, action: str | None) -> None:
        synthetic.configure(keys=self.keys, policy={} if action is None else {"payment": action})

    @pytest.mark.parametrize(("action", "having", "expected"), TABLE)
    def test_simulated_work_follows_the_table_of_actions(self, action: str | None, having: str, expected: str) -> None:
        self.configure(action)
        calls: list[str] = []
        function = self.decorated(self.plain(calls), **self.options(having, calls))
        with recorded() as outcomes, simulated(run="rush-hour", actor="rider-7"):
            if expected == "refused":
                with pytest.raises(EffectRefused, match="payment"):
                    self.called(function)
                assert calls == []
            else:
                self.check_result(expected, self.performed(function), calls)
        assert [(o.effect, o.marker) for o in outcomes] == [("payment", Marker("rush-hour", actor="rider-7"))]
        action_of = {"fake": "substitute", "value": "skip", "none": "skip", "real": "allow", "refused": "refuse"}
        assert outcomes[0].action == action_of[expected]

    def check_result(self, expected: str, result: Any, calls: list[str]) -> None:
        if expected in ("none", "value"):
            assert calls == []
            assert result == self.skipped(VALUE if expected == "value" else None)
        else:
            assert calls == [expected]
            other: list[str] = []
            twin = self.undecorated(self.plain(other) if expected == "real" else self.fake(other))
            assert result == self.performed(twin)

    @pytest.mark.parametrize("having", ["instead", "returns", "neither"])
    def test_real_work_runs_as_if_unguarded_and_records_no_outcome(self, having: str) -> None:
        self.configure("refuse")
        calls: list[str] = []
        function = self.decorated(self.plain(calls), **self.options(having, calls))
        with recorded() as outcomes:
            self.check_result("real", self.performed(function), calls)
            with simulated(run="rush-hour"), synthetic.real():
                self.performed(function)
        assert calls == ["real", "real"]
        assert outcomes == []

    def test_a_guarded_callable_keeps_its_signature_and_documentation(self) -> None:
        plain = self.plain([])
        twin, guarded = self.reached(self.undecorated(plain)), self.reached(self.decorated(plain))
        assert guarded.__doc__ == twin.__doc__
        assert inspect.signature(guarded) == inspect.signature(twin)

    def test_the_decision_is_made_at_the_call(self) -> None:
        calls: list[str] = []
        function = self.decorated(self.plain(calls))
        with simulated(run="rush-hour"):
            begun = self.called(function)
        assert self.ended(begun) == self.skipped(None)
        assert calls == []

    def test_a_call_begun_as_real_stays_real(self) -> None:
        calls: list[str] = []
        begun = self.called(self.decorated(self.plain(calls)))
        with recorded() as outcomes, simulated(run="rush-hour"):
            self.ended(begun)
        assert calls == ["real"]
        assert outcomes == []

    def test_a_failing_substitute_never_runs_the_real_function_or_disables_the_guard(self) -> None:
        calls: list[str] = []

        def failing(*args: Any, **kwargs: Any) -> Any:
            calls.append("failed")
            raise ConnectionError("the substitute fails")

        function = self.decorated(self.plain(calls), instead=failing)
        for _ in range(2):
            with simulated(run="rush-hour"), pytest.raises(ConnectionError):
                self.called(function)
        assert calls == ["failed", "failed"]
        assert self.performed(function) == self.performed(self.undecorated(self.plain([])))

    def test_nested_guards_each_decide(self) -> None:
        synthetic.configure(keys=self.keys, policy={"payment": "allow"})
        calls: list[str] = []
        function = self.decorated(guard("notification")(self.plain(calls)))
        with recorded() as outcomes, simulated(run="rush-hour"):
            assert self.performed(function) == self.skipped(None)
        assert calls == []
        assert [outcome.effect for outcome in outcomes] == ["payment", "notification"]

    def test_unverified_work_raises_and_executes_nothing(self) -> None:
        calls: list[str] = []
        function = self.decorated(self.plain(calls), **self.options("instead", calls))
        with unverified(), pytest.raises(UnverifiedMarker, match=r"no-keys|malformed"):
            self.called(function)
        assert calls == []
        self.performed(function)
        assert calls == ["real"]

    def test_each_context_uses_its_own_verdict(self) -> None:
        calls: list[str] = []
        function = self.decorated(self.plain(calls))
        other = contextvars.Context()
        with simulated(run="rush-hour"):
            assert self.performed(function) == self.skipped(None)
            other.run(self.performed, function)
        assert calls == ["real"]


class FunctionContract(GuardContract):
    """More rules for functions and methods, which have a name."""

    def at_module_level(self) -> Any:
        """A guarded callable of one argument that can be found by its name."""
        raise NotImplementedError

    def test_a_guarded_callable_keeps_its_name_module_and_annotations(self) -> None:
        plain = self.plain([])
        twin, guarded = self.reached(self.undecorated(plain)), self.reached(self.decorated(plain))
        for attribute in ("__name__", "__qualname__", "__module__", "__annotations__"):
            assert getattr(guarded, attribute) == getattr(twin, attribute)

    def test_a_guarded_callable_keeps_its_kind(self) -> None:
        plain = self.plain([])
        twin, guarded = self.reached(self.undecorated(plain)), self.reached(self.decorated(plain))
        assert [test(guarded) for test in _PREDICATES] == [test(twin) for test in _PREDICATES]
        for kind in (types.FunctionType, types.MethodType):
            assert isinstance(guarded, kind) == isinstance(twin, kind)

    def test_a_guarded_callable_can_be_pickled_and_copied(self) -> None:
        found = self.at_module_level()
        assert pickle.loads(pickle.dumps(found)) == found
        assert copy.copy(found) == found
        assert copy.deepcopy(found) == found
