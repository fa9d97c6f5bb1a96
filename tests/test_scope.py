"""``simulated()``, ``real()`` and ``headers()``."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

import synthetic
from synthetic import Marker, current, headers, is_synthetic, real, simulated
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.errors import ConfigurationError
from tests.support.keys import eddsa_pair, entry, mint, shared_key
from tests.support.servers import ROOT, environment, uvicorn_server
from tests.support.wire import get


def token() -> str:
    return headers()["baggage"].partition("=")[2]


def claims(keys: dict[str, Any], text: str) -> dict[str, Any]:
    key = jwt.PyJWK(keys["keys"][-1], "HS256" if keys["keys"][-1]["kty"] == "oct" else "EdDSA").key
    decoded: dict[str, Any] = jwt.decode(text, key, algorithms=["HS256", "EdDSA"], audience="default")
    return decoded


def test_work_is_simulated_inside_the_block_only(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour", kind="load", actor="rider-7", scenario="book") as marker:
        assert marker == current() == Marker("rush-hour", "load", "rider-7", "book")
        assert is_synthetic() is True
    assert current() is None
    assert is_synthetic() is False


def test_an_exception_ends_the_block_too(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with pytest.raises(KeyError), simulated(run="rush-hour"):
        raise KeyError
    assert is_synthetic() is False


def test_nested_blocks_restore_the_previous_verdict(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="outer"):
        with simulated(run="inner"):
            assert current() == Marker("inner")
            with real():
                assert current() is None
                with simulated(run="innermost"):
                    assert current() == Marker("innermost")
                assert current() is None
            assert current() == Marker("inner")
        assert current() == Marker("outer")


def test_one_scope_can_be_entered_again_inside_itself(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    scope = simulated(run="rush-hour")
    with scope, real(), scope:
        assert is_synthetic() is True
    assert is_synthetic() is False


def test_one_scope_can_be_used_by_several_threads_at_once(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    scope = simulated(run="rush-hour")
    both_inside = threading.Barrier(2)
    first_has_left = threading.Event()
    left: dict[str, bool] = {}

    def first() -> None:
        with scope:
            both_inside.wait(60)
        left["first"] = is_synthetic()
        first_has_left.set()

    def second() -> None:
        with scope:
            both_inside.wait(60)
            assert first_has_left.wait(60)
        left["second"] = is_synthetic()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left == {"first": False, "second": False}


def test_one_scope_can_be_used_by_several_tasks_at_once(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    scope = simulated(run="rush-hour")

    async def work(seconds: float) -> tuple[bool, bool]:
        with scope:
            await asyncio.sleep(seconds)
            inside = is_synthetic()
        return inside, is_synthetic()

    async def main() -> list[tuple[bool, bool]]:
        return await asyncio.gather(work(0), work(0.01), work(0))

    assert asyncio.run(main()) == [(True, False)] * 3


@simulated(run="rush-hour")
def book(seats: int, *, late: bool = False) -> tuple[int, bool, Marker | None]:
    """Book a ride."""
    return seats, late, current()


@simulated(run="rush-hour")
async def book_later(seats: int) -> tuple[int, Marker | None]:
    """Book a ride, later."""
    await asyncio.sleep(0)
    return seats, current()


class Rider:
    name = "rider-7"

    @simulated(run="rush-hour")
    def book(self) -> tuple[str, bool]:
        return self.name, is_synthetic()

    @classmethod
    @simulated(run="rush-hour")
    def of_class(cls) -> tuple[str, bool]:
        return cls.name, is_synthetic()

    @staticmethod
    @simulated(run="rush-hour")
    def static() -> bool:
        return is_synthetic()

    @real()
    async def heartbeat(self) -> tuple[str, bool]:
        return self.name, is_synthetic()


def test_a_decorated_function_is_simulated_during_each_call(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    assert book(2, late=True) == (2, True, Marker("rush-hour"))
    assert is_synthetic() is False
    assert book(1) == (1, False, Marker("rush-hour"))
    assert (book.__name__, book.__doc__) == ("book", "Book a ride.")
    assert list(inspect.signature(book).parameters) == ["seats", "late"]


def test_a_decorated_coroutine_function_is_simulated_while_it_runs(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    assert inspect.iscoroutinefunction(book_later)

    async def main() -> list[Any]:
        return [*await asyncio.gather(book_later(1), book_later(2)), is_synthetic()]

    assert asyncio.run(main()) == [(1, Marker("rush-hour")), (2, Marker("rush-hour")), False]


def test_methods_of_every_kind_can_be_decorated(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    assert Rider().book() == ("rider-7", True)
    assert Rider.of_class() == ("rider-7", True)
    assert Rider.static() is True
    with simulated(run="rush-hour"):
        assert asyncio.run(Rider().heartbeat()) == ("rider-7", False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"run": ""}, "run='' is not 1 to 64 characters of A-Z a-z 0-9"),
        ({"run": "x" * 65}, "is not 1 to 64 characters"),
        ({"run": "rush hour"}, "run='rush hour' is not"),
        ({"run": "größe"}, "run='größe' is not"),
        ({"run": "rush\n"}, "is not 1 to 64"),
        ({"run": 7}, "run=7 is not"),
        ({"run": "a", "actor": "rider@example.com"}, "actor='rider@example.com' is not .* as in actor='rush-hour'"),
        ({"run": "a", "scenario": "a,b"}, "scenario='a,b' is not"),
        ({"run": "a", "kind": "holiday"}, "kind='holiday' is not one of simulation, load, monitor, replay, test"),
    ],
)
def test_an_invalid_name_raises_at_once(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulated(**arguments)


def test_entering_without_keys_raises_and_says_how_to_get_keys() -> None:
    scope = simulated(run="rush-hour")
    with pytest.raises(
        ConfigurationError, match=r"no keys are configured.* 'synthetic-traffic keygen'.* SYNTHETIC_KEYS"
    ):
        scope.__enter__()
    assert is_synthetic() is False


def test_entering_with_public_keys_only_raises() -> None:
    pytest.importorskip("cryptography")
    _, public = eddsa_pair()
    synthetic.configure(keys=public)
    with pytest.raises(ConfigurationError, match="the JWKS holds only public keys"):
        book(1)


def test_headers_carry_a_token_with_all_claims(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    before = int(time.time())
    with simulated(run="rush-hour", kind="load", actor="rider-7", scenario="book"):
        assert headers() == {"baggage": f"synthetic-traffic={token()}"}
        found = claims(keys, token())
        header = jwt.get_unverified_header(token())
    assert header == {"alg": "HS256", "typ": "synthetic+jwt", "kid": "test"}
    assert before <= found.pop("iat") <= time.time()
    assert before + 600 <= found.pop("exp") <= time.time() + 600
    assert found == {
        "iss": "synthetic-traffic",
        "aud": "default",
        "run": "rush-hour",
        "kind": "load",
        "sub": "rider-7",
        "scenario": "book",
    }


def test_the_token_omits_an_actor_and_a_scenario_that_are_not_given(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour"):
        assert set(claims(keys, token())) == {"iss", "aud", "iat", "exp", "run", "kind"}


def test_the_last_key_that_can_sign_signs() -> None:
    pytest.importorskip("cryptography")
    private, _ = eddsa_pair("ed")
    _, public = eddsa_pair("public")
    synthetic.configure(keys={"keys": [*shared_key("old")["keys"], *private["keys"], *public["keys"]]})
    with simulated(run="rush-hour"):
        assert jwt.get_unverified_header(token()) == {"alg": "EdDSA", "typ": "synthetic+jwt", "kid": "ed"}
        assert claims(private, token())["run"] == "rush-hour"


def test_headers_are_empty_for_real_work(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    assert headers() == {}
    with simulated(run="rush-hour"), real():
        assert headers() == {}


def test_the_settings_key_issuer_environment_and_lifetime_are_in_the_token(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, key="our-mark", issuer="our-company", environment="staging", lifetime="2h")
    with simulated(run="rush-hour"):
        name, _, text = headers()["baggage"].partition("=")
    found = jwt.decode(text, options={"verify_signature": False})
    assert (name, found["iss"], found["aud"]) == ("our-mark", "our-company", "staging")
    assert found["exp"] - found["iat"] == 7200


def test_each_marker_gets_one_token_renewed_at_half_its_lifetime(keys: dict[str, Any]) -> None:
    now = time.time()
    synthetic.configure(keys=keys, clock=lambda: now, lifetime=100)
    with simulated(run="rush-hour"):
        first = token()
        with simulated(run="rush-hour"):
            assert token() == first
        with simulated(run="other"):
            assert token() != first
        now += 49
        assert token() == first
        now += 2
        second = token()
        assert second != first
        assert jwt.decode(second, options={"verify_signature": False})["iat"] == int(now)


def test_new_keys_sign_from_the_moment_they_are_configured(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour"):
        assert jwt.get_unverified_header(token())["kid"] == "test"
        synthetic.configure(keys=shared_key("new"))
        assert jwt.get_unverified_header(token())["kid"] == "new"


def test_a_received_token_is_forwarded_unchanged_at_any_time(keys: dict[str, Any]) -> None:
    now = time.time()
    synthetic.configure(keys=keys, clock=lambda: now)
    received = mint(keys)
    forwarded: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal now
        forwarded.append(headers()["baggage"])
        now += 1000
        forwarded.append(headers()["baggage"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    with uvicorn_server(SyntheticTrafficMiddleware(app), lifespan="off") as port:
        assert get(port, "/", [("baggage", entry(received))]).status == 200
    assert forwarded == [entry(received)] * 2


FORKING = """
import json, os, sys, time
import synthetic

synthetic.instrument("http-client")
now = time.time()
synthetic.configure(keys=json.loads(sys.argv[1]), clock=lambda: now, lifetime=100)
with synthetic.simulated(run="rush-hour"):
    before = synthetic.headers()["baggage"]
    readable, writable = os.pipe()
    now += 60
    if os.fork() == 0:
        os.write(writable, synthetic.headers()["baggage"].encode())
        os._exit(0)
    os.wait()
    child = os.read(readable, 4096).decode()
    print(json.dumps([before == child, before == synthetic.headers()["baggage"]]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_process_forwards_the_token_and_signs_no_new_one(keys: dict[str, Any]) -> None:
    command = [sys.executable, "-c", FORKING, json.dumps(keys)]
    variables = {**environment(), "SYNTHETIC_ENVIRONMENT": "default"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=ROOT, check=False)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [True, False]


def test_no_token_is_in_a_repr(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    scope = simulated(run="rush-hour")
    with scope as marker:
        signature = token().rsplit(".", 1)[1]
        assert signature not in repr(scope) + repr(marker)
    assert not list(Path().iterdir())
