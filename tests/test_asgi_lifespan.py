"""The middleware at the start-up of a server, in real uvicorn processes."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.errors import ConfigurationError
from tests.support.keys import shared_key
from tests.support.markers import baggage, marked
from tests.support.reporting_asgi import application
from tests.support.servers import environment, uvicorn_server, wait_until
from tests.support.wire import get

SERVICE = """
from contextlib import asynccontextmanager

import synthetic_starlette
from starlette.applications import Starlette

from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.reporting_asgi import application

plain = SyntheticTrafficMiddleware(application)
stripping = SyntheticTrafficMiddleware(application, on_unverified="strip")


@asynccontextmanager
async def lifespan(app):
    yield


framework = Starlette(lifespan=lifespan)
framework.add_middleware(synthetic_starlette.SyntheticTrafficMiddleware)
"""

SHORT_KEY = '{"keys": [{"kty": "oct", "kid": "a", "k": "c2hvcnQ"}]}'

WRONG: dict[str, tuple[str, dict[str, str], str]] = {
    "a short key": ("plain", {"SYNTHETIC_KEYS": SHORT_KEY}, "SYNTHETIC_KEYS"),
    "a missing key file": ("plain", {"SYNTHETIC_KEYS": "no-such-file.json"}, "SYNTHETIC_KEYS"),
    "a flag that is none": ("plain", {"SYNTHETIC_EDGE": "perhaps"}, "SYNTHETIC_EDGE"),
    "a missing key file, below a framework": ("framework", {"SYNTHETIC_KEYS": "no-such-file.json"}, "SYNTHETIC_KEYS"),
    "stripping without keys": ("stripping", {}, "on_unverified"),
    "stripping without keys, by a setting": ("plain", {"SYNTHETIC_ON_UNVERIFIED": "strip"}, "on_unverified"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_setting_stops_the_server_and_is_named(tmp_path: Path, kind: str) -> None:
    name, variables, named = WRONG[kind]
    (tmp_path / "rides.py").write_text(SERVICE)
    started = subprocess.run(
        [sys.executable, "-m", "uvicorn", f"rides:{name}", "--port", "0"],
        cwd=tmp_path,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert started.returncode != 0
    assert "Application startup complete" not in started.stderr
    assert named in started.stderr


def test_an_application_with_its_own_lifespan_starts_and_stops(keys: dict[str, Any]) -> None:
    phases = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def noted() -> Any:
            message = await receive()
            phases.append(message["type"])
            return message

        await application(scope, noted if scope["type"] == "lifespan" else receive, send)

    synthetic.configure(keys=keys)
    with uvicorn_server(SyntheticTrafficMiddleware(noting)) as port:
        assert get(port, "/echo").json()["simulated"] is False
    assert phases == ["lifespan.startup", "lifespan.shutdown"]


def test_stripping_can_be_set_for_one_application_alone(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    stranger = baggage("synthetic-traffic=1")
    with uvicorn_server(SyntheticTrafficMiddleware(application, on_unverified="strip")) as port:
        assert get(port, "/echo", stranger).json()["baggage"] == []
    with uvicorn_server(SyntheticTrafficMiddleware(application)) as port:
        assert get(port, "/echo", stranger).json()["reason"] == "malformed"
    gc.collect()  # an application that strips forbids configurations without keys for as long as it lives


def test_building_the_middleware_with_an_unknown_option_value_raises() -> None:
    with pytest.raises(ConfigurationError, match="on_unverified='ignore' is not one of: refuse, strip"):
        SyntheticTrafficMiddleware(application, on_unverified="ignore")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="on_missing='maybe' is not one of: real, refuse"):
        SyntheticTrafficMiddleware(application, on_missing="maybe")  # type: ignore[arg-type]


def test_a_replaced_key_file_is_used_without_a_restart(tmp_path: Path) -> None:
    old, new = shared_key("old"), shared_key("new")
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(old))
    synthetic.configure(keys=file)
    with uvicorn_server(SyntheticTrafficMiddleware(application)) as port:
        assert get(port, "/echo", marked(new)).json()["reason"] == "unknown-key"
        file.write_text(json.dumps({"keys": [*old["keys"], *new["keys"]]}))
        wait_until(lambda: get(port, "/echo", marked(new)).status == 200)
        assert get(port, "/echo", marked(old)).json()["simulated"] is True
