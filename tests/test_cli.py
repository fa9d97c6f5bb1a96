"""The installed command ``synthetic-traffic``, run from a shell."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import synthetic
from synthetic._admission.decision import Refused
from synthetic._admission.entrance import Entrance
from synthetic._cli.main import main
from synthetic._model.reason import Reason
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.errors import ConfigurationError
from tests.support.keys import encoded, entry, mint, shared_key
from tests.support.servers import uvicorn_server

COMMAND = Path(sys.executable).parent / "synthetic-traffic"


def run(*arguments: str, given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [COMMAND, *arguments], input=given, capture_output=True, text=True, env={**os.environ, **environ}
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def output(*arguments: str, **more: str) -> str:
    done = run(*arguments, **more)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def complaint(*arguments: str, **more: str) -> str:
    """Return what the command prints to standard error about wrong arguments or configuration."""
    done = run(*arguments, **more)
    assert done.returncode == 2
    assert bool(done.stdout) is (arguments[:1] == ("mint",))
    return done.stderr


def key_ids(path: str) -> list[str]:
    return [key["kid"] for key in json.loads(Path(path).read_text())["keys"]]


def mode(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def secrets_of(path: str) -> list[str]:
    return [key[name] for key in json.loads(Path(path).read_text())["keys"] for name in ("k", "d") if name in key]


@pytest.fixture
def shared() -> str:
    assert main(["keygen", "--kid", "test", "--shared", "shared.jwks"]) == 0
    return "shared.jwks"


# keygen


def test_keygen_makes_an_eddsa_pair_with_an_owner_only_private_file() -> None:
    pytest.importorskip("cryptography")
    said = output("keygen", "--kid", "staging-1")
    (private,), (public,) = (json.loads(Path(f"{name}.jwks").read_text())["keys"] for name in ("private", "public"))
    assert {name: value for name, value in private.items() if name != "d"} == public
    assert (public["kty"], public["crv"], public["kid"]) == ("OKP", "Ed25519", "staging-1")
    assert mode("private.jwks") == 0o600
    assert mode("public.jwks") & 0o022 == 0
    assert "private.jwks" in said
    assert "public.jwks" in said
    assert private["d"] not in said


def test_keygen_makes_a_shared_secret_in_an_owner_only_file() -> None:
    said = output("keygen", "--kid", "staging-1", "--shared", "shared.jwks")
    (secret,) = secrets_of("shared.jwks")
    assert len(secret) == 43
    assert mode("shared.jwks") == 0o600
    assert secret not in said


def test_unnamed_keys_get_different_names() -> None:
    for name in "ab":
        output("keygen", "--shared", name)
    assert key_ids("a") != key_ids("b")


@pytest.mark.parametrize("files", [["--shared", "there"], ["--private", "there"], ["--public", "there"]])
def test_keygen_writes_nothing_when_a_file_exists(files: list[str]) -> None:
    pytest.importorskip("cryptography")
    Path("there").write_text("mine")
    assert "--append" in complaint("keygen", *files)
    assert [path.name for path in Path().iterdir()] == ["there"]
    assert Path("there").read_text() == "mine"


def test_an_appended_key_verifies_everywhere_before_it_signs(shared: str) -> None:
    first = secrets_of(shared)
    said = output("keygen", "--kid", "new", "--shared", shared, "--append")
    assert key_ids(shared) == ["new", "test"]
    assert secrets_of(shared)[-1:] == first
    assert mode(shared) == 0o600
    header = output("mint", "--keys", shared, "--run", "rush-hour")
    assert "'test'" in output("inspect", "--keys", shared, header)
    assert "'test'" in said, "it says which key signs still"


def test_an_appended_pair_stays_a_pair() -> None:
    pytest.importorskip("cryptography")
    output("keygen", "--kid", "old")
    output("keygen", "--kid", "new", "--append")
    assert key_ids("private.jwks") == key_ids("public.jwks") == ["new", "old"]
    assert not secrets_of("public.jwks")
    header = output("mint", "--keys", "private.jwks", "--run", "rush-hour")
    assert "good" in output("inspect", "--keys", "public.jwks", header)


def test_append_rejects_a_duplicate_name_and_a_file_without_a_jwks(shared: str) -> None:
    before = Path(shared).read_bytes()
    assert "--kid" in complaint("keygen", "--kid", "test", "--shared", shared, "--append")
    assert Path(shared).read_bytes() == before
    Path("text").write_text("[]")
    assert "not a JWKS" in complaint("keygen", "--shared", "text", "--append")


def test_keygen_names_conflicting_options_and_unwritable_paths() -> None:
    assert "--shared" in complaint("keygen", "--shared", "a", "--private", "b")
    assert "nowhere" in complaint("keygen", "--shared", "nowhere/shared.jwks")


def test_a_leftover_file_never_makes_a_private_key_readable_by_others() -> None:
    left = Path("shared.jwks.new")
    left.touch()
    left.chmod(0o644)
    output("keygen", "--shared", "shared.jwks")
    assert mode("shared.jwks") == 0o600
    assert left.read_text() == ""


# mint


@pytest.mark.parametrize("make", [["--shared", "private.jwks"], []])
def test_a_minted_header_is_admitted_by_a_real_server(make: list[str]) -> None:
    import requests

    if not make:
        pytest.importorskip("cryptography")
    output("keygen", "--kid", "staging-1", *make)
    header = output("mint", "--keys", "private.jwks", "--run", "rush-hour", "--kind", "load", "--actor", "rider-7")
    name, _, value = header.removesuffix("\n").partition(": ")
    assert name == "baggage"
    synthetic.configure(keys="private.jwks" if make else "public.jwks")

    def tell(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(synthetic.current()))

    with uvicorn_server(SyntheticTrafficMiddleware(Starlette(routes=[Route("/", tell)]))) as port:
        seen = requests.get(f"http://127.0.0.1:{port}/", headers={name: value}).text
    assert seen == str(synthetic.Marker("rush-hour", "load", "rider-7"))


def test_settings_come_from_the_environment_and_the_file(shared: str) -> None:
    header = output("mint", "--run", "rush-hour", SYNTHETIC_KEYS=shared, SYNTHETIC_ENVIRONMENT="staging")
    Path("synthetic.toml").write_text('keys = "shared.jwks"\nenvironment = "staging"\n')
    done = run("inspect", header)
    assert done.returncode == 0
    assert "environment 'staging'" in done.stdout
    assert run("inspect", "--environment", "production", header).returncode == 1


def test_mint_takes_a_lifetime(shared: str) -> None:
    header = output("mint", "--keys", shared, "--run", "rush-hour", "--lifetime", "2h")
    said = dict(line.split(None, 1) for line in output("inspect", "--keys", shared, header).splitlines())
    issued, expires = (time.strptime(said[name], "%Y-%m-%d %H:%M:%S UTC") for name in ("issued", "expires"))
    assert time.mktime(expires) - time.mktime(issued) == 7200


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--run", "rush-hour"], "--keys"),
        (["--keys", "missing.jwks", "--run", "rush-hour"], "missing.jwks"),
        (["--keys", "missing.jwks", "--run", "rush-hour"], "--keys"),
        (["--keys", "shared.jwks", "--run", "rush hour"], "run='rush-hour'"),
        (["--keys", "shared.jwks", "--run", "x" * 65], "1 to 64"),
        (["--keys", "shared.jwks", "--run", "x", "--lifetime", "3d"], "86400"),
        (["--keys", "shared.jwks", "--run", "x", "--lifetime", "soon"], "10m"),
        (["--keys", "shared.jwks", "--run", "x", "--kind", "game"], "monitor"),
        (["--keys", "shared.jwks"], "--run"),
        (["--keys", "empty.jwks", "--run", "x"], "keys"),
    ],
)
def test_mint_says_what_is_wrong_and_what_would_work(shared: str, arguments: list[str], hint: str) -> None:
    Path("empty.jwks").write_text("")
    said = complaint("mint", *arguments)
    assert hint in said
    assert not any(secret in said for secret in secrets_of(shared))


@pytest.mark.parametrize("arguments", [("--keys", "missing.jwks", "--run", "rush-hour"), ("--keys", "keys.jwks")])
@pytest.mark.parametrize("on_unverified", ["refuse", "strip"])
def test_a_failed_mint_prints_a_header_that_every_service_refuses(
    keys: dict[str, Any], arguments: tuple[str, ...], on_unverified: Any
) -> None:
    done = run("mint", *arguments)
    assert (done.returncode, done.stdout.count("\n")) == (2, 1)
    synthetic.configure(keys=keys, on_unverified=on_unverified)
    decision = Entrance().decide([done.stdout.strip().removeprefix("baggage: ")])
    assert decision == Refused(Reason.UNKNOWN_KEY)


def test_mint_ignores_the_policy_of_the_services(shared: str) -> None:
    Path("policy.toml").write_text("[production]\n")
    assert output("mint", "--keys", shared, "--run", "rush-hour", SYNTHETIC_POLICY="policy.toml").startswith(
        "baggage: "
    )


def test_mint_rejects_public_keys() -> None:
    pytest.importorskip("cryptography")
    output("keygen")
    assert "only public keys" in complaint("mint", "--keys", "public.jwks", "--run", "rush-hour")


def test_a_closed_pipe_is_not_an_error(shared: str) -> None:
    script = f"{shlex.quote(str(COMMAND))} mint --keys {shared} --run rush-hour | true"
    done = subprocess.run(["sh", "-c", f"sleep 0.2; {script}"], capture_output=True, text=True)
    assert done.stderr == ""


# inspect


def token_in(header: str) -> str:
    return header.strip().removeprefix("baggage: synthetic-traffic=")


def test_inspect_reads_a_header_a_value_a_token_or_standard_input(shared: str) -> None:
    header = output("mint", "--keys", shared, "--run", "rush-hour", "--scenario", "book")
    value = header.strip().removeprefix("baggage: ")
    said = output("inspect", "--keys", shared, header)
    for text in (value, f"a=1, {value};p=1,b=2", token_in(header), f"Baggage: {value}", f"  {header}"):
        assert output("inspect", "--keys", shared, text) == said
    assert output("inspect", "--keys", shared, "-", given=header) == said
    for part in ("rush-hour", "book", "simulation", "good", "'test'", "default", "UTC"):
        assert part in said


def test_inspect_finds_the_header_among_others_on_standard_input(shared: str) -> None:
    header = output("mint", "--keys", shared, "--run", "rush-hour")
    dump = f"> GET / HTTP/1.1\n> Host: localhost:8000\n> {header}> Accept: */*\n"
    assert "good" in output("inspect", "--keys", shared, "-", given=dump)


def bad_headers(keys: dict[str, Any]) -> dict[str, str]:
    now = int(time.time())
    good = mint(keys)
    return {
        "bad-signature": entry(mint(shared_key())),
        "expired": entry(mint(keys, claims={"iat": now - 900, "exp": now - 300})),
        "not-yet-valid": entry(mint(keys, claims={"iat": now + 300, "exp": now + 900})),
        "wrong-environment": entry(mint(keys, claims={"aud": "production"})),
        "wrong-issuer": entry(mint(keys, claims={"iss": "another"})),
        "unknown-key": entry(mint(shared_key("other"))),
        "wrong-type": entry(mint(keys, headers={"typ": "JWT"})),
        "invalid-claims": entry(mint(keys, claims={"run": None})),
        "malformed": entry("abc"),
        "too-long": entry("A" * 1100),
        "ambiguous": f"{entry(good)},{entry(mint(keys, claims={'run': 'other'}))}",
    }


def test_inspect_says_why_a_header_is_refused_and_never_prints_the_token(shared: str) -> None:
    keys = json.loads(Path(shared).read_text())
    for reason, header in bad_headers(keys).items():
        done = run("inspect", "--keys", shared, header)
        assert (done.returncode, done.stderr) == (1, ""), reason
        explanation = done.stdout.partition(f"refused: {reason}")[2]
        assert len(explanation.split()) >= 3, f"{reason} stands alone: {done.stdout}"
        assert_no_secret(done.stdout, header, shared)


def test_a_good_header_is_shown_without_its_token(shared: str) -> None:
    header = output("mint", "--keys", shared, "--run", "rush-hour")
    assert_no_secret(output("inspect", "--keys", shared, header), header, shared)


def assert_no_secret(said: str, header: str, keys: str) -> None:
    for segment in header.replace("=", ".").replace(",", ".").split("."):
        assert len(segment) < 20 or segment not in said
    assert not any(secret in said for secret in secrets_of(keys))


def test_inspect_reports_a_header_without_a_marker_as_real_and_fails(shared: str) -> None:
    for text in ("", "a=1", "baggage: vendor=1"):
        done = run("inspect", "--keys", shared, text)
        assert done.returncode == 1
        assert "real" in done.stdout


def test_inspect_accepts_an_expired_token_with_not_edge(shared: str) -> None:
    header = bad_headers(json.loads(Path(shared).read_text()))["expired"]
    assert run("inspect", "--keys", shared, header).returncode == 1
    assert run("inspect", "--keys", shared, "--not-edge", header).returncode == 0


JUNK = ["synthetic-traffic=1", "baggage: user=7,synthetic-traffic=true", "synthetic-traffic=a.b.c", "synthetic-traffic"]


@pytest.mark.parametrize("settings", [{"SYNTHETIC_ON_UNVERIFIED": "strip"}, {"SYNTHETIC_ON_MISSING": "refuse"}])
@pytest.mark.parametrize("header", JUNK)
def test_inspect_ignores_on_unverified_and_on_missing(shared: str, settings: dict[str, str], header: str) -> None:
    done = run("inspect", "--keys", shared, header, **settings)
    assert (done.returncode, done.stderr) == (1, "")
    assert "refused: malformed" in done.stdout
    good = output("mint", "--keys", shared, "--run", "rush-hour")
    assert "good: simulated" in output("inspect", "--keys", shared, good, **settings)
    nothing = run("inspect", "--keys", shared, "baggage: user=7", **settings)
    assert (nothing.returncode, nothing.stderr) == (1, "")
    assert "the request is real" in nothing.stdout
    assert "missing" not in nothing.stdout


def test_inspect_without_keys_says_how_to_give_them(shared: str) -> None:
    header = output("mint", "--keys", shared, "--run", "rush-hour")
    done = run("inspect", header)
    assert done.returncode == 2
    assert "--keys" in done.stderr


# What others wrote

EVIL = "x\nverdict    good: simulated\x1b[8m\x1b]0;pwned\x07\x1b]52;c;Y3Vy\x07\x9b2J\u202e\r"


def forged(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (encoded(json.dumps(part).encode()) for part in (header, claims))
    return entry(".".join((*parts, encoded(b"x" * 64))))


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process, which takes a tenth of the time."""

    def run_here(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_here


Printed = Callable[..., tuple[int, str, str]]


def assert_printed_safely(done: tuple[int, str, str]) -> None:
    for text in done[1:]:
        assert all(line.isprintable() for line in text.split("\n")), text
        assert not any(line.startswith("verdict    good") for line in text.splitlines())


@pytest.mark.parametrize("name", ["typ", "alg", "kid", "run", "kind", "sub", "scenario", "aud", "iss", "iat", "exp"])
def test_inspect_prints_nothing_of_an_unverified_token_raw(shared: str, name: str, printed: Printed) -> None:
    header = {"typ": "synthetic+jwt", "alg": "HS256", "kid": "test"}
    claims = {"run": "r", "kind": "load", "sub": "a", "scenario": "s", "aud": "default", "iss": "synthetic-traffic"}
    part = header if name in header else claims
    for value in (EVIL, [EVIL], {EVIL: EVIL}):
        part[name] = value  # type: ignore[assignment]
        done = printed("inspect", "--keys", shared, forged(header, claims))
        assert done[0] == 1
        assert "refused: " in done[1]
        assert_printed_safely(done)


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "--keys", EVIL, "x"],
        ["inspect", "--keys", "shared.jwks", "x", EVIL],
        ["inspect", "--keys", "shared.jwks", "--environment", EVIL, "x"],
        ["inspect", "--keys", "shared.jwks", "--issuer", EVIL, "x"],
        ["inspect", "--keys", "shared.jwks", f"baggage: {EVIL}"],
        ["mint", "--keys", "shared.jwks", "--run", EVIL],
        ["mint", "--keys", "shared.jwks", "--run", "r", "--kind", EVIL],
        ["mint", "--keys", "shared.jwks", "--run", "r", "--lifetime", EVIL],
        ["mint", "--keys", "shared.jwks", "--run", "r", f"--{EVIL}"],
        ["keygen", "--kid", EVIL, "--shared", EVIL],
        ["keygen", "--shared", f"nowhere/{EVIL}"],
        ["doctor", "--keys", EVIL],
        [EVIL],
    ],
    ids=range(13),
)
def test_no_argument_is_printed_raw(shared: str, arguments: list[str], printed: Printed) -> None:
    assert_printed_safely(printed(*arguments))


@pytest.mark.parametrize("command", [["mint", "--run", "r"], ["inspect", "a"], ["doctor"]], ids=" ".join)
@pytest.mark.parametrize(
    "name", ["KEYS", "ENVIRONMENT", "KEY", "ISSUER", "HALT", "CONFIG", "INTERNAL_HOSTS", "POLICY", EVIL]
)
def test_no_variable_is_printed_raw(
    shared: str, command: list[str], name: str, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHETIC_KEYS", shared)
    monkeypatch.setenv(f"SYNTHETIC_{name}", EVIL)
    monkeypatch.setenv("OTEL_PROPAGATORS", EVIL)
    done = printed(*command)
    assert_printed_safely(done)
    if command[0] == "mint":
        assert done[1].count("\n") == 1


def test_nothing_of_the_file_is_printed_raw(shared: str, printed: Printed) -> None:
    for content in (f"{json.dumps(EVIL)} = 1", f"environment = {json.dumps(EVIL)}", EVIL):
        Path("synthetic.toml").write_text(content)
        for command in (["mint", "--run", "r"], ["inspect", "a"], ["doctor"]):
            assert_printed_safely(printed(*command, "--keys", shared))


# The file in the working directory


def test_the_commands_name_the_file_that_they_read(shared: str) -> None:
    Path("synthetic.toml").write_text('keys = "shared.jwks"\n')
    path = Path("synthetic.toml").absolute()
    minted = run("mint", "--run", "rush-hour")
    assert minted.returncode == 0
    assert str(path) in minted.stderr
    assert minted.stdout.startswith("baggage: ")
    assert minted.stdout.count("\n") == 1
    assert str(path) in run("inspect", minted.stdout).stderr
    assert str(path) in run("doctor").stdout
    assert str(path) in run("inspect", "a", SYNTHETIC_CONFIG="synthetic.toml").stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_in_the_working_directory_is_refused_unless_it_is_named(keys: dict[str, Any]) -> None:
    Path("elsewhere.toml").write_text('environment = "production"\n')
    os.chown("elsewhere.toml", 12345, 12345)
    Path("synthetic.toml").symlink_to("elsewhere.toml")
    with pytest.raises(ConfigurationError, match=r"synthetic.toml belongs to another user.*SYNTHETIC_CONFIG="):
        synthetic.configure(keys=keys)
    Path("shared.jwks").write_text(json.dumps(keys))
    done = run("mint", "--keys", "shared.jwks", "--run", "rush-hour")
    assert done.returncode == 2
    assert "belongs to another user" in done.stderr
    assert "belongs to another user" in run("doctor", "--keys", "shared.jwks").stdout
    named = run("mint", "--keys", "shared.jwks", "--run", "rush-hour", SYNTHETIC_CONFIG="synthetic.toml")
    assert named.returncode == 0


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path)])
def test_what_is_not_a_regular_file_is_refused_at_once(shared: str, make: Any) -> None:
    make("synthetic.toml")
    assert "synthetic.toml" in complaint("mint", "--keys", shared, "--run", "rush-hour")


def test_a_link_to_an_own_file_is_read(shared: str) -> None:
    Path("elsewhere.toml").write_text('environment = "staging"\n')
    Path("synthetic.toml").symlink_to("elsewhere.toml")
    header = run("mint", "--keys", shared, "--run", "rush-hour").stdout
    assert "'staging'" in run("inspect", "--keys", shared, header).stdout


# help


@pytest.mark.parametrize("command", [[], ["keygen"], ["mint"], ["inspect"], ["doctor"]])
def test_help_shows_examples(command: list[str]) -> None:
    assert "example" in output(*command, "--help")


def test_the_examples_in_the_help_work() -> None:
    pytest.importorskip("cryptography")
    examples = output("--help").partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) >= 4
    Path("shop").mkdir()
    Path("shop/main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    for example in examples:
        if "keygen" in example:
            output(*shlex.split(example)[1:])
        elif "doctor" in example:
            assert run(*shlex.split(example)[1:]).returncode == 1  # there are no keys here
        else:
            assert example.split()[1] in ("mint", "inspect", "run", "dial")
    minted = next(line for line in examples if "mint" in line).partition("|")[0]
    header = output(*shlex.split(minted)[1:])
    inspected = shlex.split(next(line for line in examples if " inspect " in line))
    assert "good" in output(*inspected[1:-1], header)


def test_the_version_option_prints_the_version() -> None:
    from importlib.metadata import version

    assert version("synthetic-traffic") in output("--version")


def test_the_commands_are_listed_when_none_is_given() -> None:
    said = complaint()
    assert all(command in said for command in ("keygen", "mint", "inspect", "doctor"))
