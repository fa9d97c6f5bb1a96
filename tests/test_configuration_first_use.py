"""First use of the library, and building a middleware, in a process that was never configured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import environment
from tests.test_configuration import ONE, write

FIRST_USE = """
import synthetic
synthetic.instrument("logging")
with synthetic.simulated(run="rush-hour"):
    print(synthetic.allows("payment"), synthetic.headers()["baggage"].partition("=")[0])
"""


def test_the_first_use_reads_variables_and_file_without_configure(tmp_path: Path) -> None:
    write('key = "our-mark"\npolicy = {payment = "allow"}\n', str(tmp_path / "synthetic.toml"))
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environment(), "SYNTHETIC_KEYS": json.dumps(ONE), "SYNTHETIC_ENVIRONMENT": "default"},
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True our-mark\n", "")


BUILT = """
import sys
from importlib import import_module
from synthetic.errors import ConfigurationError

async def app(*connection):
    pass

module, options = sys.argv[1], {name: value for name, value in [argument.split("=") for argument in sys.argv[2:]]}
try:
    import_module(module).SyntheticTrafficMiddleware(app, **options)
except ConfigurationError as error:
    print(error)
else:
    print("built")
"""

INSTALLED = """
import synthetic_starlette
from starlette.applications import Starlette
from synthetic.errors import ConfigurationError

try:
    synthetic_starlette.install(Starlette())
except ConfigurationError as error:
    print(error)
else:
    print("built")
"""

MIDDLEWARES = ["synthetic.asgi", "synthetic.wsgi", "synthetic_starlette"]


def program(text: str, *arguments: str, **variables: str) -> str:
    """Return what a program prints that is configured by these variables only."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text, *arguments],
        capture_output=True,
        text=True,
        env={**environment(), "SYNTHETIC_ENVIRONMENT": "default", **variables},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("arguments", [(BUILT, "synthetic.wsgi"), (INSTALLED,)], ids=["WSGI", "install"])
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SYNTHETIC_LIFETIME", "soon", "'soon' is not a duration"),
        ("SYNTHETIC_KEYS", "no-such.jwks", "No such file"),
        ("SYNTHETIC_ON_UNVERIFIED", "drop", "'drop' is not one of: refuse, strip"),
        ("SYNTHETIC_CONFIG", "no-such.toml", "no-such.toml cannot be read"),
        ("SYNTHETIC_HALT", "*", "'all'"),
    ],
)
def test_building_a_middleware_reports_a_wrong_variable_without_configure(
    arguments: tuple[str, ...], variable: str, value: str, message: str
) -> None:
    """A framework that builds the middleware after server start-up is in test_asgi_lifespan."""
    said = program(*arguments, **{variable: value})
    assert variable in said
    assert message in said


CONFIGURED_LATER = """
import json, sys
from importlib import import_module
import synthetic
from synthetic.errors import ConfigurationError

async def app(*connection):
    pass

module, keys = sys.argv[1:]
middleware = import_module(module).SyntheticTrafficMiddleware(app, on_unverified="strip")
try:
    synthetic.configure()
except ConfigurationError as error:
    print(error.setting)
synthetic.configure(keys=json.loads(keys))
print("configured")
"""


@pytest.mark.parametrize("module", MIDDLEWARES)
def test_a_stripping_middleware_may_be_built_before_the_keys_are_configured(module: str) -> None:
    assert program(BUILT, module, "on_unverified=strip") == "built\n"
    assert program(CONFIGURED_LATER, module, json.dumps(ONE)) == "on_unverified\nconfigured\n"
