"""Baggage headers as attackers, proxies and honest clients send them: seeded, and with what must come of them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from tests.support.keys import mint

KEY = "synthetic-traffic"
NOW = 1_800_000_000

FOREIGN = (
    "userId=alice",
    "serverNode=DF%2028",
    "isProduction=false",
    " key2 = value2 ",
    "\tkey3\t=\tvalue3; propertyKey=propertyValue",
    "key1=value1;property1;property2",
    "userId=Am%C3%A9lie",
    "name=Am\xc3\xa9lie",
    "name=Am\xe9lie",
    'quoted="a b"',
    "bare",
    "bare;p=1",
    "",
    " ",
    "=",
    "==",
    "a=b=c",
    "a=%",
    "a=%zz",
    "a=1%2csynthetic%2dtraffic%3dx",
    "a=\\",
    "a=\\x",
    "a=\\x2",
    "a=\\N{",
    "a=\\N{DASH}",
    "a=\\u00",
    "a=\\U00110000",
    "a=\\ud800",
    "a=\\q",
    "a=\\\\x2c",
    "a=\xff",
    "a=\x00",
    "a=\x1b[2J",
    "sentry-trace_id=771a43a4192642f0b136d5159a501700",
    "sentry-sample_rand=0.42",
    "x-synthetic-traffic=1",
    "synthetic-traffic-2=1",
    "synthetic_traffic=1",
    "SYNTHETIC-TRAFFIC=1",
    "Synthetic-Traffic=1",
    "a=synthetic-traffic",
    "a=1;synthetic-traffic=2",
    "synthetic-traffi=1",
    "\u00ef\u00bb\u00bfbom=1",
)
"""Members that no reader takes for ours, in latin-1."""

_BEFORE = ("", "", " ", "\t", "+", "%20", "%09", "%C2%A0", "%E2%80%83", "%1c", "%C2%85", "\\x20", "\\t", "\xc2\xa0")
_AFTER = (*_BEFORE, "\xa0", "\x0b", "\x85", "\xe2\x80\x83", "\xe3\x80\x80", "\\n", "\\40", "\\N{SPACE}", "\\u2003")
_NAMES = (b"baggage", b"baggage", b"baggage", b"baggage", b"Baggage", b"BAGGAGE", b"bAgGaGe")


class Case(NamedTuple):
    """Headers to send. ``foreign`` and ``verdict`` are None where the pieces do not tell what must come of them."""

    names: tuple[bytes, ...]
    headers: tuple[str, ...]
    foreign: tuple[str, ...] | None
    verdict: str | None
    flavour: int


@dataclass(frozen=True)
class Tokens:
    """Two good tokens of different runs, and bad ones."""

    good: str
    other: str
    bad: tuple[str, ...]


def tokens(keys: dict[str, Any], strangers_keys: dict[str, Any]) -> Tokens:
    """Return tokens for a clock that stands at NOW."""
    times = {"iat": NOW - 60, "exp": NOW + 540}

    def made(**claims: Any) -> str:
        return mint(keys, claims={**times, **claims})

    good = made(run="good")
    head, payload, signature = good.split(".")
    unsigned = urlsafe_b64encode(json.dumps({"alg": "none", "typ": "synthetic+jwt"}).encode()).rstrip(b"=").decode()
    bad = (
        mint(strangers_keys, claims=times),
        made(iat=NOW - 9 * 86_400, exp=NOW - 8 * 86_400),
        made(iat=NOW + 100, exp=NOW + 200),
        made(aud="production"),
        made(iss="someone"),
        made(kind="joy"),
        made(exp=NOW + 90_000),
        mint(keys, claims=times, headers={"typ": "JWT"}),
        mint(keys, claims=times, headers={"kid": "unknown"}),
        f"{unsigned}.{payload}.",
        f"{head}.{payload}",
        f"{head}.{payload}.",
        f"{head}.{payload}.{'A' * len(signature)}",
        good[:-1],
        good + "A",
        good[1:],
        good.replace(".", "%2E"),
        f'"{good}"',
        good + "=",
        "",
        "true",
        "1",
        "a.b.c",
        "x" * 1100,
    )
    return Tokens(good, made(run="other"), bad)


def odd_names(rng: Random, count: int) -> list[str]:
    """Return spellings of our key that some reader undoes (or nearly)."""
    return [
        rng.choice(_BEFORE) + "".join(_odd(rng, letter) for letter in KEY) + rng.choice(_AFTER) for _ in range(count)
    ]


def _odd(rng: Random, letter: str) -> str:
    if rng.random() < 0.8:
        return letter
    code = ord(letter)
    return rng.choice(
        (
            f"%{code:02x}",
            f"%{code:02X}",
            f"\\x{code:02x}",
            f"\\{code:o}",
            f"\\u{code:04x}",
            f"\\U{code:08x}",
            f"%25{code:02x}",
            f"\\x25{code:02x}",
            f"\\N{{LATIN SMALL LETTER {letter.upper()}}}" if letter.isalpha() else "\\N{HYPHEN-MINUS}",
            letter.upper(),
        )
    )


class Generator:
    """An endless row of cases, the same for the same seed and tokens."""

    def __init__(self, seed: int, made: Tokens) -> None:
        self._rng = Random(seed)
        self._odd_names = odd_names(self._rng, 3000)
        self._tokens = made

    def case(self) -> Case:
        """Return the next one."""
        rng = self._rng
        roll = rng.random()
        pieces: list[tuple[str, str]] = [("foreign", rng.choice(FOREIGN)) for _ in range(int(rng.random() * 4))]
        if roll < 0.3:
            pieces.append(self._good(self._tokens.good))
        elif roll < 0.45:
            pieces.append(self._bad())
        elif roll < 0.7:
            pieces.append(self._odd_entry())
        if rng.random() < 0.15:
            pieces.append(rng.choice((self._good, self._good, self._bad_one))(self._tokens.good))
        if rng.random() < 0.03:
            pieces.append(self._good(self._tokens.other))
        if rng.random() < 0.004:
            pieces.extend(("foreign", f"k{number}=v") for number in range(rng.choice((170, 179, 181, 200))))
        if rng.random() < 0.004:
            pieces.append(("foreign", "big=" + "x" * rng.choice((4090, 8000, 8170, 8200, 20_000))))
        rng.shuffle(pieces)
        return self._arranged(pieces, mutated=rng.random() < 0.1)

    def _good(self, token: str) -> tuple[str, str]:
        rng = self._rng
        if rng.random() < 0.6:
            return token, f"{KEY}={token}"
        ows = ("", " ", "\t", " \t ")
        properties = rng.choice(("", ";p", ";p=1;q", " ; p = 1 "))
        spelled = f"{rng.choice(ows)}{KEY}{rng.choice(ows)}={rng.choice(ows)}{token}{rng.choice(ows)}{properties}"
        return token, spelled

    def _bad(self) -> tuple[str, str]:
        token = self._rng.choice(self._tokens.bad)
        return "bad", KEY if token == "1" else f"{KEY}={token}"

    def _bad_one(self, _: str) -> tuple[str, str]:
        return self._bad()

    def _odd_entry(self) -> tuple[str, str]:
        rng = self._rng
        value = self._tokens.good if rng.random() < 0.5 else rng.choice(self._tokens.bad)
        entry = f"{rng.choice(self._odd_names)}={value}"
        if rng.random() < 0.2:
            entry = rng.choice(("a=1\\x2c", "a=1\\054", "a=\\N{COMMA}", "a=\\\\x2c", "a;b=1\\u002c")) + entry
        if rng.random() < 0.4:
            entry += rng.choice((",b=\xff", ";p=\xe9", ",\x80=1", ",b=\xc3\xa9"))
        return "odd", entry

    def _arranged(self, pieces: list[tuple[str, str]], *, mutated: bool) -> Case:
        """Put the pieces into one header or several, and maybe damage one byte of them."""
        rng = self._rng
        headers: list[list[str]] = [[]]
        for _, text in pieces:
            if headers[-1] and rng.random() < 0.15:
                headers.append([])
            headers[-1].append(text)
        joined = [",".join(header) for header in headers]
        kinds = {kind for kind, _ in pieces} - {"foreign"}
        odd = mutated or "odd" in kinds
        if mutated:
            position = rng.randrange(len(joined))
            joined[position] = self._damaged(joined[position])
        return Case(
            tuple(rng.choice(_NAMES) for _ in joined),
            tuple(joined),
            None if odd else tuple(text for kind, text in pieces if kind == "foreign"),
            None if odd else "real" if not kinds else "simulated" if kinds == {self._tokens.good} else _one(kinds),
            int(rng.random() * 4),
        )

    def _damaged(self, text: str) -> str:
        rng = self._rng
        position = int(rng.random() * (len(text) + 1))
        roll = rng.random()
        if roll < 0.25:
            return text[:position]
        if roll < 0.5:
            return text[:position] + text[position + 1 :]
        return text[:position] + rng.choice(',;=%+\\ \t"\x00\x7f\x80\xa0\xff') + text[position:]


def _one(kinds: set[str]) -> str:
    """What several entries, or a bad one, come to: one other good token alone is simulated, the rest refused."""
    return "simulated" if len(kinds) == 1 and "bad" not in kinds else "refused"


def values_of_ours(headers: tuple[str, ...]) -> list[str]:
    """Return the values under our key, found by the simplest means that there are."""
    members = [member for header in headers for member in header.split(",")]
    named = [member.split("=", 1) for member in members if "=" in member]
    return [value.split(";")[0].strip(" \t") for name, value in named if name.strip(" \t") == KEY]


def others_in(headers: tuple[str, ...] | list[str]) -> list[str]:
    """Return every member that is not plainly ours and not blank, in order, byte for byte."""
    members = [member for header in headers for member in header.split(",")]
    return [m for m in members if m.strip(" \t") and m.split("=", 1)[0].split(";")[0].strip(" \t") != KEY]
