"""Keys: the format of a JWKS, its errors, which never show a secret, and reloading a key file."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic._admission.decision import Refused
from synthetic._admission.entrance import Entrance
from synthetic._config.in_force import active
from synthetic._config.key_source import load_keys
from synthetic._model.reason import Reason
from synthetic._wire.keys import parse_keys
from synthetic.errors import ConfigurationError
from tests.support.keys import eddsa_pair, encoded, entry, mint, shared_key
from tests.support.servers import PATIENCE

SECRET = b"the secret that nobody may ever read, 32 bytes and more"
K = encoded(SECRET)
OCT = {"kty": "oct", "kid": "a", "k": K}
SIGNED_BY = (encoded(b"p" * 32), encoded(b"q" * 32))


def _error(keys: object) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        synthetic.configure(keys=keys)  # type: ignore[arg-type]
    assert caught.value.setting == "keys"
    return caught.value


NO_LIST = 'the JWKS has no "keys" list; make one with: synthetic-traffic keygen'
NO_KID = "key number 1 has no kid; every key needs one, because tokens name their key"
ONLY = "only OKP with Ed25519 (EdDSA) and oct (HS256) are supported"
WRONG: list[tuple[object, str]] = [
    ({}, NO_LIST),
    ({"keys": "a"}, NO_LIST),
    ({"keys": [1]}, "key number 1 is not a JSON object"),
    ({"keys": [{"kty": "oct", "k": K}]}, NO_KID),
    ({"keys": [{**OCT, "kid": ""}]}, NO_KID),
    ({"keys": [{**OCT, "kid": 1}]}, NO_KID),
    ({"keys": [OCT, {**OCT, "k": encoded(os.urandom(32))}]}, "two keys have the kid 'a'; give each key its own kid"),
    ({"keys": [{**OCT, "kty": "RSA"}]}, f"key 'a' has kty='RSA' crv=None; {ONLY}"),
    ({"keys": [{**OCT, "kty": "EC", "crv": "P-256"}]}, f"key 'a' has kty='EC' crv='P-256'; {ONLY}"),
    ({"keys": [{"kty": "OKP", "crv": "X25519", "kid": "a"}]}, f"key 'a' has kty='OKP' crv='X25519'; {ONLY}"),
    ({"keys": [{"kty": "OKP", "crv": "Ed448", "kid": "a"}]}, f"key 'a' has kty='OKP' crv='Ed448'; {ONLY}"),
    ({"keys": [{"kid": "a", "k": K}]}, f"key 'a' has kty=None crv=None; {ONLY}"),
    ({"keys": [{**OCT, "alg": "EdDSA"}]}, "key 'a' has alg='EdDSA', but its kty='oct' means HS256"),
    ({"keys": [{**OCT, "alg": "none"}]}, "key 'a' has alg='none', but its kty='oct' means HS256"),
    ({"keys": [{**OCT, "use": "enc"}]}, "key 'a' has use='enc'; a key for signatures has use='sig' or none"),
    ({"keys": [{"kty": "oct", "kid": "a"}]}, "key 'a' is not a usable HS256 key: a field is missing or damaged"),
    ({"keys": [{**OCT, "k": None}]}, "key 'a' is not a usable HS256 key: a field is missing or damaged"),
    ({"keys": [{**OCT, "k": 5}]}, "key 'a' is not a usable HS256 key: a field is missing or damaged"),
    (
        {"keys": [{**OCT, "k": encoded(b"x" * 31)}]},
        "key 'a' has 31 bytes; an oct key needs at least 32 (synthetic-traffic keygen --shared makes one)",
    ),
    ("{", "the JWKS is not JSON: line 1, column 2"),
    ('{"keys":\n [}', "the JWKS is not JSON: line 2, column 3"),
    ('[{"kty":"oct"}]', 'the JWKS is not a JSON object with a "keys" list'),
    ("[" * 100_000, "the JWKS is not JSON"),
    (5, "a value of type int is not a JWKS; give a dict, JSON text, or the path of a file"),
    ([OCT], "a value of type list is not a JWKS; give a dict, JSON text, or the path of a file"),
]


@pytest.mark.parametrize(("keys", "message"), WRONG, ids=range(len(WRONG)))
def test_each_fault_of_a_jwks_has_its_own_message(keys: object, message: str) -> None:
    assert str(_error(keys)) == f"keys (from the argument keys=): {message}"


@pytest.mark.parametrize(
    "fields", [{}, {"x": "AAAA"}, {"x": 5}, {"x": SIGNED_BY[0], "d": None}, {"x": SIGNED_BY[0], "d": "AAAA"}]
)
def test_the_error_names_a_damaged_eddsa_key(fields: dict[str, Any]) -> None:
    pytest.importorskip("cryptography", reason="EdDSA needs the extra eddsa")
    message = str(_error({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "ed", **fields}]}))
    assert (
        message == "keys (from the argument keys=): key 'ed' is not a usable EdDSA key: a field is missing or damaged"
    )


def test_the_error_names_a_missing_key_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert (
        str(_error(path))
        == f"keys (from the argument keys=): {path} is neither a JWKS in JSON nor the path of a readable file: "
        "No such file or directory. Give the path of a JWKS, for example public.jwks; "
        "synthetic-traffic keygen makes one"
    )


def test_the_error_names_a_folder_given_as_a_key_file(tmp_path: Path) -> None:
    assert f"keys (from the argument keys=): {tmp_path} is neither a JWKS" in str(_error(str(tmp_path)))


def test_the_error_does_not_quote_a_bare_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = shared_key()["keys"][0]["k"]
    monkeypatch.setenv("SYNTHETIC_KEYS", secret)
    with pytest.raises(ConfigurationError, match=r"variable SYNTHETIC_KEYS.* neither a JWKS in JSON nor") as caught:
        synthetic.configure()
    assert secret not in str(caught.value)
    assert "the value (not shown, because it may be a secret) is neither" in str(caught.value)


def test_the_error_names_the_variable_that_holds_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHETIC_KEYS", "{}")
    with pytest.raises(ConfigurationError) as caught:
        synthetic.configure()
    assert caught.value.source == "the variable SYNTHETIC_KEYS"
    assert str(caught.value) == f"keys (from the variable SYNTHETIC_KEYS): {NO_LIST}"


def test_keys_can_be_a_dict_text_or_a_file(tmp_path: Path, keys: dict[str, Any]) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(keys))
    for given in (keys, json.dumps(keys), f"\n {json.dumps(keys)}", path, str(path), "keys.json"):
        generation = load_keys(given, tmp_path).current()
        assert generation is not None
        assert list(generation.by_id) == ["test"]
    for none in (None, {"keys": []}, '{"keys": []}'):
        assert load_keys(none, tmp_path).current() is None


def test_the_last_key_that_can_sign_signs() -> None:
    pytest.importorskip("cryptography", reason="EdDSA needs the extra eddsa")
    private, public = eddsa_pair("private"), eddsa_pair("public")[1]
    jwks = {"keys": [*shared_key("shared")["keys"], *private[0]["keys"], *public["keys"]]}
    generation = parse_keys(json.dumps(jwks))
    assert generation is not None
    assert generation.signer is not None
    assert (generation.signer.key_id, generation.signer.algorithm) == ("private", "EdDSA")
    verifying = parse_keys(json.dumps(public))
    assert verifying is not None
    assert verifying.signer is None


# Secrets

_SECRETS = (K, SECRET.decode(), SIGNED_BY[1], "q" * 32)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if error.__cause__ is not None:
            yield from _chain(error.__cause__)
        error = error.__context__


def _assert_silent(error: BaseException) -> None:
    told = "".join(traceback.format_exception(error))
    for link in _chain(error):
        told += f"{link!s} {link!r} {link.args!r} {vars(link)!r}"
        told += repr([getattr(link, name, None) for name in ("doc", "object", "msg")])
    for secret in _SECRETS:
        assert secret not in told.replace("\\n", "\n")


@pytest.mark.parametrize(
    "keys",
    [
        {"keys": [OCT, OCT]},
        {"keys": [{**OCT, "alg": "none"}]},
        {"keys": [{**OCT, "kty": "OKP"}]},
        {"keys": [{**OCT, "k": K + "!"}, {"kid": 1}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "A", "d": SIGNED_BY[1]}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": SIGNED_BY[0], "d": SIGNED_BY[1] + "AAAA"}]},
        json.dumps({"keys": [OCT]})[:-1],
        json.dumps({"keys": [OCT]}) + "}",
        json.dumps([OCT]),
        json.dumps(K),
        [OCT],
    ],
    ids=range(11),
)
def test_no_error_holds_a_secret_in_message_repr_attributes_or_chain(keys: object) -> None:
    _assert_silent(_error(keys))


@pytest.mark.parametrize("content", [json.dumps({"keys": [OCT]})[:-1].encode(), b'{"k":"' + K.encode() + b'\xff"}'])
def test_no_error_of_a_key_file_holds_a_secret(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    _assert_silent(_error(path))


def test_no_repr_holds_a_secret_or_a_token() -> None:
    jwks = {"keys": [OCT]}
    synthetic.configure(keys=jwks)
    config = active()
    token = mint(jwks)
    decision = Entrance().decide([entry(token)])
    generation = config.keys.current()
    assert generation is not None
    with synthetic.simulated(run="r") as marker:
        shown = repr([config, config.keys, generation, *generation.by_id.values(), generation.signer, decision, marker])
    for secret in (*_SECRETS, repr(SECRET), token, token.split(".")[2]):
        assert secret not in shown


# Files


def _eventually(holds: Callable[[], bool]) -> bool:
    """Wait for a condition and return whether it became true in time."""
    limit = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def _outcome(token: str) -> object:
    decision = Entrance().decide([entry(token)])
    return decision.reason if isinstance(decision, Refused) else decision.verdict.marker and "simulated"


def test_keys_are_reloaded_when_their_file_changes_and_kept_when_it_breaks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documented rotation: add the new key first, move it to the end, then remove the old key."""
    monkeypatch.setattr("synthetic._config.watched._LOOK_AGAIN", 0.05)
    old, new = shared_key("old"), shared_key("new")
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(old))
    synthetic.configure(keys=path)

    by_new = mint(new)
    assert _outcome(by_new) is Reason.UNKNOWN_KEY  # a refusal now must not be remembered
    path.write_text(json.dumps({"keys": [*new["keys"], *old["keys"]]}))
    assert _eventually(lambda: _outcome(by_new) == "simulated")
    assert _signer() == "old"

    def errors() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]

    path.write_text('{"keys": [' + K)
    assert _eventually(lambda: _outcome(by_new) == "simulated" and bool(errors()))
    assert [_outcome(by_new), _outcome(mint(old))] == ["simulated", "simulated"]
    (line,) = errors()
    assert line.startswith(f"{path} changed and is invalid; its previous content stays active: the JWKS is not JSON")
    assert K not in caplog.text

    path.write_text(json.dumps({"keys": [*old["keys"], *new["keys"]]}))
    assert _eventually(lambda: _signer() == "new")
    path.write_text(json.dumps(new))
    assert _eventually(lambda: _outcome(mint(old)) is Reason.UNKNOWN_KEY)
    assert _outcome(by_new) == "simulated"


@pytest.mark.parametrize(
    "revoke",
    [lambda path: path.write_text('{"keys": []}'), lambda path: path.write_text(""), Path.unlink],
    ids=["a JWKS without keys", "an emptied file", "a deleted file"],
)
def test_the_only_key_is_revoked_by_removing_it_from_its_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, revoke: Callable[[Path], object]
) -> None:
    monkeypatch.setattr("synthetic._config.watched._LOOK_AGAIN", 0.02)
    only, later = shared_key("only"), shared_key("later")
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(only))
    synthetic.configure(keys=path)
    token = mint(only)
    assert _outcome(token) == "simulated"
    revoke(path)
    assert _eventually(lambda: _outcome(token) is Reason.NO_KEYS)
    assert f"{path} has no keys now" in caplog.text
    with pytest.raises(ConfigurationError, match="no keys are configured"), synthetic.simulated(run="r"):
        pass
    if path.exists():  # the service may start again meanwhile
        synthetic.configure(keys=path)
        assert _outcome(token) is Reason.NO_KEYS
    path.write_text(json.dumps(later))
    assert _eventually(lambda: _outcome(mint(later)) == "simulated")
    assert _outcome(token) is Reason.UNKNOWN_KEY


def test_a_key_file_replaced_in_place_with_the_same_size_and_time_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic._config.watched._LOOK_AGAIN", 0.02)
    old, new = shared_key("old"), shared_key("new")
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(old))
    long_ago = time.time_ns() - 10**12
    os.utime(path, ns=(long_ago, long_ago))
    synthetic.configure(keys=path)
    assert _outcome(mint(old)) == "simulated"
    path.write_text(json.dumps(new))
    os.utime(path, ns=(long_ago, long_ago))
    assert _eventually(lambda: _outcome(mint(new)) == "simulated")
    assert _outcome(mint(old)) is Reason.UNKNOWN_KEY


def test_the_error_about_a_broken_key_file_is_logged_again_each_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic._config.watched._LOOK_AGAIN", 0.0)
    keys = shared_key()
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(keys))
    synthetic.configure(keys=path)
    path.write_text("{")
    for _ in range(20):
        assert _outcome(mint(keys)) == "simulated"
    assert caplog.text.count("is invalid") == 1
    monkeypatch.setattr("synthetic._config.watched._LOG_AGAIN", 0.0)
    path.write_text("{{")
    for _ in range(3):
        assert _outcome(mint(keys)) == "simulated"
    assert caplog.text.count("is invalid") >= 3
    path.write_text(json.dumps(keys))
    assert _outcome(mint(keys)) == "simulated"
    logged = caplog.text.count("is invalid")
    assert _outcome(mint(keys)) == "simulated"
    assert caplog.text.count("is invalid") == logged


def _signer() -> str | None:
    generation = active().keys.current()
    return generation.signer.key_id if generation and generation.signer else None


def test_a_key_file_is_checked_at_most_once_per_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(shared_key()))
    synthetic.configure(keys=path)
    looks: list[object] = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda name, **rest: looks.append(name) or stat(name, **rest))
    began = time.monotonic()
    while time.monotonic() < began + 1.2:
        active().keys.current()
    assert 1 <= sum(str(look) == str(path) for look in looks) <= 1 + (time.monotonic() - began)


# The extra

_WITHOUT_CRYPTOGRAPHY = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "cryptography":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import synthetic
try:
    synthetic.configure(keys=sys.argv[1])
except synthetic.errors.ConfigurationError as error:
    print(error)
else:
    synthetic.instrument("http-client")
    with synthetic.simulated(run="r"):
        print(synthetic.headers()["baggage"].count("."))
"""


def _without_cryptography(jwks: dict[str, Any], folder: Path) -> str:
    command = [sys.executable, "-W", "error", "-c", _WITHOUT_CRYPTOGRAPHY, json.dumps(jwks)]
    variables = {**os.environ, "SYNTHETIC_ENVIRONMENT": "default"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=variables, timeout=300, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("private", [True, False])
def test_an_eddsa_key_without_the_extra_says_what_to_install(tmp_path: Path, private: bool) -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": SIGNED_BY[0], **({"d": SIGNED_BY[1]} if private else {})}
    assert _without_cryptography({"keys": [jwk]}, tmp_path) == (
        "keys (from the argument keys=): key 'ed' is EdDSA, which needs an extra: "
        'pip install "synthetic-traffic[eddsa]"\n'
    )


def test_a_shared_key_needs_no_extra(tmp_path: Path) -> None:
    assert _without_cryptography(shared_key(), tmp_path) == "2\n"


def test_padded_and_unpadded_base64url_give_the_same_secret() -> None:
    """Other tools write base64url without padding. A padded secret is read as the same secret."""
    jwks = {"keys": [{**OCT, "k": urlsafe_b64encode(SECRET).decode()}]}
    assert _same_secret(jwks, {"keys": [OCT]})


def _same_secret(one: dict[str, Any], other: dict[str, Any]) -> bool:
    synthetic.configure(keys=one)
    return _outcome(mint(other)) == "simulated"
