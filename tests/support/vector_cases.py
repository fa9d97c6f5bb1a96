"""The cases of docs/protocol-vectors.json: what is sent, and what must come of it by the rules of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Case = dict[str, Any]
Sign = Callable[..., str]

KEY = "synthetic-traffic"
DAY = 86_400
MARKER = {"run": "rush-hour", "kind": "load", "actor": None, "scenario": None}


def all_cases(sign: Sign, now: int) -> list[Case]:
    """Return every case, in the order of the protocol's sections."""
    makers = (entry_cases, odd_cases, w3c_cases, token_cases, claim_cases, time_cases, service_cases, strip_cases)
    return [{**case, "now": case["now"] or now} for maker in makers for case in maker(sign, now)]


def _case(name: str, *headers: str, now: int | None = None, **settings: Any) -> Case:
    return {
        "name": name,
        "headers": list(headers),
        "settings": settings,
        "now": now,
        "verdict": "real",
        "reason": None,
        "marker": None,
        "forward": list(headers),
    }


def _simulated(name: str, headers: list[str], forward: list[str], *, marker: Any = None, **settings: Any) -> Case:
    case = _case(name, *headers, **settings)
    return {**case, "verdict": "simulated", "marker": {**MARKER, **(marker or {})}, "forward": forward}


def _refused(name: str, reason: str, *headers: str, **settings: Any) -> Case:
    verdict = "later" if reason in ("shed", "not-ready") else "refused"
    return {**_case(name, *headers, **settings), "verdict": verdict, "reason": reason, "forward": None}


def entry_cases(sign: Sign, now: int) -> list[Case]:
    good, other = sign(), sign(run="other")
    ours = f"{KEY}={good}"
    return [
        _case("no header is real"),
        _case("foreign entries are real and stay as they are", " userId=alice , k = v;p", "x=1"),
        _case("the key is compared with its case", f"Synthetic-Traffic={good}"),
        _case("a longer key is not ours", f"{KEY}-2={good}"),
        _case("a value that looks like our entry is not ours", f"a={ours}"),
        _case("a property that looks like our entry is not ours", f"a=1;{ours}"),
        _simulated("a good token alone", [ours], [ours]),
        _simulated("ours goes first", [f"x=1,{ours},y=2"], [f"{ours},x=1,y=2"]),
        _simulated("ours is found in a later header", ["x=1", f"y=2,{ours}"], [f"{ours},x=1", "y=2"]),
        _simulated("white space around key and value", [f"x=1 , {KEY}\t= {good}\t"], [f"{ours},x=1 "]),
        _simulated("properties are ignored and dropped", [f"{ours} ; p=1;q,x=1;p"], [f"{ours},x=1;p"]),
        _simulated("the same value twice counts as one", [ours, f"x=1,{ours};p"], [f"{ours},x=1"]),
        _simulated("empty members stay", [f",,x=1,{ours},"], [f"{ours},,,x=1,"]),
        _simulated("an over-long header is no reason to refuse", [f"a={'x' * 9000},{ours}"], [ours, f"a={'x' * 9000}"]),
        _simulated("the 181st member is found", [",".join(["k=v"] * 200 + [ours])], [",".join([ours] + ["k=v"] * 200)]),
        _refused("two good tokens", "ambiguous", f"{ours},{KEY}={other}"),
        _refused("a good token and junk", "ambiguous", ours, f"{KEY}=junk"),
        _refused("a good token and an empty value", "ambiguous", f"{ours},{KEY}="),
        _refused("a bare key", "malformed", f"x=1,{KEY}"),
        _refused("an empty value", "malformed", f"{KEY}="),
        _refused("a bare key whose property holds the token", "malformed", f"{KEY};p={good}"),
        _refused("a quoted value", "malformed", f'{KEY}="{good}"'),
        _refused("values are not percent-decoded", "malformed", f"{KEY}={good.replace('.', '%2E')}"),
        _refused("an entry of 1025 bytes", "too-long", f"{KEY}={'x' * (1025 - len(KEY) - 1)}"),
        _refused("headers of together more than 64 KiB", "too-long", "x=" + "y" * 65_535),
        _refused("an entry of 1024 bytes is looked at", "malformed", f"{KEY}={'x' * (1024 - len(KEY) - 1)}"),
        _simulated("another key", [f"acme-sim={good},{KEY}=x"], [f"acme-sim={good},{KEY}=x"], key="acme-sim"),
    ]


def odd_cases(sign: Sign, now: int) -> list[Case]:
    good = sign()
    spellings = {
        "percent-encoding in the key": f"syn%74hetic-traffic={good}",
        "a plus sign before the key": f"+{KEY}={good}",
        "an encoded space after the key": f"{KEY}%20={good}",
        "an encoded no-break space after the key": f"{KEY}%C2%A0={good}",
        "a no-break space in UTF-8 after the key": f"{KEY}\xc2\xa0={good}",
        "an escape beside a stray byte": f"\\x73ynthetic-traffic={good},b=\xff",
        "an escaped comma beside a stray byte": f"a=1\\x2c{KEY}={good},b=\xff",
        "an octal escape beside a stray byte": f"\\163ynthetic-traffic={good},b=\xff",
        "a named escape beside a stray byte": f"\\N{{LATIN SMALL LETTER S}}ynthetic-traffic={good},b=\xff",
        "a plain entry and an odd one": f"{KEY}={good},%73ynthetic-traffic={good}",
        "a key that is encoded twice": f"syn%2574hetic-traffic={good}",
        "a key that is encoded five times": f"syn%2525252574hetic-traffic={good}",
        "a key with encoded digits of an escape": f"%%37%33ynthetic-traffic={good}",
        "a byte-order mark beside the key": f"\xef\xbb\xbf{KEY}={good}",
        "an encoded byte-order mark beside the key": f"%EF%BB%BF{KEY}={good}",
        "a byte-order mark that is encoded twice": f"{KEY}%25EF%25BB%25BF={good}",
    }
    left = {
        "an escape without a stray byte is no escape": f"\\x73ynthetic-traffic={good}",
        "an escaped backslash is no escape": f"\\\\x73ynthetic-traffic={good},b=\xff",
        "bytes that are not UTF-8 stay as they are": "name=Am\xe9lie,b=\xff",
    }
    return [_refused(name, "malformed", header) for name, header in spellings.items()] + [
        _case(name, header) for name, header in left.items()
    ]


def w3c_cases(sign: Sign, now: int) -> list[Case]:
    """Headers as the W3C Baggage specification and its tests show them: foreign, so that every byte stays."""
    ours = f"{KEY}={sign()}"
    shown = {
        "one entry": "SomeKey=SomeValue",
        "two entries": "SomeKey=SomeValue,SomeKey2=SomeValue2",
        "white space everywhere": "SomeKey \t = \t SomeValue \t , \t SomeKey2 \t = \t SomeValue2 \t ",
        "properties without values": "SomeKey=SomeValue;SomeProp,SomeKey2=SomeValue2;SomeProp2",
        "properties with values": "SomeKey=SomeValue;SomePropKey=SomePropValue",
        "properties with white space": "SomeKey = SomeValue \t ; \t SomePropKey \t = \t SomePropValue",
        "an equals sign in a value": "SomeKey=SomeValue=equals",
        "percent-encoded punctuation": "SomeKey=%09%20%22%27%3B%3Dasdf%21%40%23%24%25%5E%26%2A%28%29",
        "several kinds of property": "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=value",
        "percent-encoded UTF-8": "userId=Am%C3%A9lie,serverNode=DF%2028,isProduction=false",
    }
    cases = []
    for name, header in shown.items():
        cases.append(_case(f"W3C, {name}, real", header))
        cases.append(_simulated(f"W3C, {name}, simulated", [f"{header},{ours}"], [f"{ours},{header}"]))
    many = ",".join(f"key{number}=value" for number in range(64))
    return [
        *cases,
        _case("W3C, several headers, real", "userId=alice", "serverNode=DF%2028,isProduction=false"),
        _simulated("W3C, 64 members and ours", [many, ours], [f"{ours},{many}"]),
    ]


def token_cases(sign: Sign, now: int) -> list[Case]:
    good, signed = sign(), sign(header={"alg": "EdDSA", "kid": "ed"})
    head, payload, signature = good.split(".")
    # An HS256 signature leaves two bits of its last character unused, an EdDSA one four: set, they spell it anew.
    loose, loose_ed = (_with_trailing_bits(token) for token in (good, signed))
    wrong = {
        "two segments": ("malformed", f"{head}.{payload}"),
        "four segments": ("malformed", f"{good}.{signature}"),
        "an empty signature": ("malformed", f"{head}.{payload}."),
        "padding": ("malformed", f"{good}="),
        "the alphabet of plain base64": ("malformed", f"{head}.{payload}.{signature[:-4]}+/+A"),
        "HS256 with non-zero trailing bits": ("malformed", loose),
        "EdDSA with non-zero trailing bits": ("malformed", loose_ed),
        "a header that is not JSON": ("malformed", f"AAAA.{payload}.{signature}"),
        "a header that is a list": ("malformed", f"W10.{payload}.{signature}"),
        "a changed signature": ("bad-signature", f"{head}.{payload}.{'A' * len(signature)}"),
        "another payload": ("bad-signature", f"{head}.{sign(run='other').split('.')[1]}.{signature}"),
        "a cut signature": ("bad-signature", f"{head}.{payload}.{signature[:-7]}"),
        "no kid": ("unknown-key", sign(header={"kid": None})),
        "an unknown kid": ("unknown-key", sign(header={"kid": "gone"})),
        "a kid that is a number": ("unknown-key", sign(header={"kid": 1})),
        "alg none, without signature": ("malformed", sign(header={"alg": "none"})),
        "alg none, with a signature": ("wrong-type", sign(header={"alg": "none"}, sign_as="HS256")),
        "no alg": ("wrong-type", sign(header={"alg": None}, sign_as="HS256")),
        "HS512 with the right secret": ("wrong-type", sign(header={"alg": "HS512"})),
        "HS256 under the kid of the public key": (
            "wrong-type",
            sign(header={"kid": "ed"}, sign_as="public key as secret"),
        ),
        "EdDSA under the kid of the secret": ("wrong-type", sign(header={"alg": "EdDSA"})),
        "no typ": ("wrong-type", sign(header={"typ": None})),
        "typ JWT": ("wrong-type", sign(header={"typ": "JWT"})),
        "typ in capitals": ("wrong-type", sign(header={"typ": "Synthetic+JWT"})),
        "a critical extension": ("wrong-type", sign(header={"crit": ["x"], "x": 1})),
    }
    full = {"run": "A.b_c:9-" + "x" * 56, "kind": "monitor", "actor": "rider-7", "scenario": "book"}
    named = sign(run=full["run"], kind="monitor", sub="rider-7", scenario="book")
    ed = f"{KEY}={signed}"
    return [
        _simulated("EdDSA", [ed], [ed]),
        _simulated("all claims, run of 64 characters", [f"{KEY}={named}"], [f"{KEY}={named}"], marker=full),
        *(_refused(f"token with {name}", reason, f"{KEY}={token}") for name, (reason, token) in wrong.items()),
    ]


def _with_trailing_bits(token: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


def claim_cases(sign: Sign, now: int) -> list[Case]:
    times = f'"iat":{now},"exp":{now + 600}'
    null_actor = f'{{"iss":"synthetic-traffic","aud":"staging",{times},"run":"r","kind":"load","sub":null}}'
    wrong: dict[str, dict[str, Any]] = {
        **{f"without {name}": {name: None} for name in ("iss", "aud", "iat", "exp", "run", "kind")},
        "aud as a list": {"aud": ["staging"]},
        "iss as a number": {"iss": 1},
        "iat as text": {"iat": str(now)},
        "iat as a truth value": {"iat": True},
        "exp as NaN": {"exp": float("nan")},
        "exp as infinity": {"exp": float("inf")},
        "iat below zero": {"iat": -1, "exp": 1},
        "exp not after iat": {"exp": now - 60},
        "a lifetime of 24 hours and a second": {"iat": now, "exp": now + DAY + 1},
        "an empty run": {"run": ""},
        "a run of 65 characters": {"run": "x" * 65},
        "a space in the run": {"run": "rush hour"},
        "a line feed after the run": {"run": "rush-hour\n"},
        "a letter beyond ASCII in the run": {"run": "caf\u00e9"},
        "run as a number": {"run": 1},
        "an unknown kind": {"kind": "demo"},
        "kind in capitals": {"kind": "Load"},
        "an actor that is an address": {"sub": "rider@example.com"},
        "a scenario as a list": {"scenario": ["book"]},
        "a payload that is a list": {"raw": "[]"},
        "a payload that is not JSON": {"raw": "run"},
        "an actor that is null": {"raw": null_actor},
    }
    day = sign(iat=now, exp=now + DAY)
    extra = sign(jti="1", nbf=now + 900, note="kept out")
    return [
        *(_refused(f"claims: {name}", "invalid-claims", f"{KEY}={sign(**claims)}") for name, claims in wrong.items()),
        _simulated("claims: a lifetime of 24 hours", [f"{KEY}={day}"], [f"{KEY}={day}"]),
        _simulated("claims: others are ignored", [f"{KEY}={extra}"], [f"{KEY}={extra}"]),
        *(
            _simulated(
                f"kind {kind}", [f"{KEY}={sign(kind=kind)}"], [f"{KEY}={sign(kind=kind)}"], marker={"kind": kind}
            )
            for kind in ("simulation", "monitor", "replay", "test")
        ),
        _refused("another issuer", "wrong-issuer", f"{KEY}={sign(iss='synthetic-traffic-2')}"),
        _refused("the issuer is compared exactly", "wrong-issuer", f"{KEY}={sign(iss='Synthetic-Traffic')}"),
        _refused("another environment: a captured token", "wrong-environment", f"{KEY}={sign(aud='production')}"),
        _simulated(
            "another issuer, as set", [f"{KEY}={sign(iss='acme')}"], [f"{KEY}={sign(iss='acme')}"], issuer="acme"
        ),
    ]


def time_cases(sign: Sign, now: int) -> list[Case]:
    """The boundary seconds: 30 of leeway on ``iat`` and ``exp``, and after ``exp`` the retention inside."""
    entry = f"{KEY}={sign(iat=now, exp=now + 600)}"
    end, week = now + 600 + 30, 7 * DAY
    return [
        _refused("31 seconds before iat", "not-yet-valid", entry, now=now - 31),
        _simulated("30 seconds before iat", [entry], [entry], now=now - 30),
        _simulated("the last second of the leeway after exp", [entry], [entry], now=end - 1),
        _refused("the leeway after exp is over", "expired", entry, now=end),
        _refused("retention does not count at an edge", "expired", entry, now=end, retention=week),
        _simulated("inside, expired", [entry], [entry], now=end, edge=False),
        _simulated("inside, the last second of the retention", [entry], [entry], now=end + week - 1, edge=False),
        _refused("inside, the retention is over", "expired", entry, now=end + week, edge=False),
        _refused("inside, retention 0", "expired", entry, now=end, edge=False, retention=0),
        _simulated("inside, retention 60", [entry], [entry], now=end + 59, edge=False, retention=60),
        _refused("inside, from the future", "not-yet-valid", entry, now=now - 31, edge=False),
    ]


def service_cases(sign: Sign, now: int) -> list[Case]:
    entry = f"{KEY}={sign()}"
    late = sign(iat=now - 1200, exp=now - 600)
    return [
        _case("no keys, no marker", "x=1", keys=False),
        _refused("no keys, a good token", "no-keys", entry, keys=False),
        _refused("no keys, inside", "no-keys", entry, keys=False, edge=False),
        _refused("every run is halted", "halted", entry, halt=["all"]),
        _refused("this run is halted", "halted", entry, halt=["other", "rush-hour"]),
        _refused("halted inside too", "halted", entry, halt=["rush-hour"], edge=False),
        _simulated("another run is halted", [entry], [entry], halt=["rush"]),
        _refused("nothing in the service would carry the marker on", "not-instrumented", entry, instrumented=False),
        _refused("the service sheds", "shed", entry, shed=True),
        _refused("the service is not ready", "not-ready", entry, ready=False),
        _case("real work is never shed", "x=1", shed=True, ready=False),
        _refused("halted goes before shed", "halted", entry, halt=["all"], shed=True),
        _refused("expired goes before halted", "expired", f"{KEY}={late}", halt=["all"]),
        _refused("everything must be marked, and no header came", "missing", on_missing="refuse"),
        _refused("everything must be marked, and ours is not there", "missing", "x=1", on_missing="refuse"),
        _simulated("everything must be marked, and is", [entry], [entry], on_missing="refuse"),
    ]


def strip_cases(sign: Sign, now: int) -> list[Case]:
    """At an edge that strangers reach: what does not name us is removed, what names us is refused."""
    good = sign()
    head, payload, signature = good.split(".")
    removed = {
        "junk": ([f"a=1,{KEY}=1,b=2"], ["a=1,b=2"]),
        "a bare key": ([KEY, "a=1"], ["a=1"]),
        "nothing else": ([f"{KEY}=true"], []),
        "several, all junk": ([f"{KEY}=1,a=1,{KEY}=2"], ["a=1"]),
        "an odd spelling": (["a=1,%73ynthetic-traffic=1 , b=2"], ["a=1, b=2"]),
        "a JWT of somebody else": ([f"{KEY}={sign(header={'typ': 'JWT'}, iss='someone')},a=1"], ["a=1"]),
    }
    refused = {
        "a forged signature": ("bad-signature", f"{KEY}={head}.{payload}.{'A' * len(signature)}"),
        "an unknown kid": ("unknown-key", f"{KEY}={sign(header={'kid': 'gone'})}"),
        "another environment": ("wrong-environment", f"{KEY}={sign(aud='production')}"),
        "a good token and junk": ("ambiguous", f"{KEY}={good},{KEY}=junk"),
        "a token in an odd spelling": ("malformed", f"%73ynthetic-traffic={good}"),
        "a token in an escaped spelling": ("malformed", f"\\x73ynthetic-traffic={good},b=\xff"),
        "a token cut behind its payload": ("malformed", f"{KEY}={head}.{payload}"),
    }
    entry = f"{KEY}={good}"
    return [
        *(
            {**_case(f"strip: {n}", *came, on_unverified="strip"), "forward": left}
            for n, (came, left) in removed.items()
        ),
        *(_refused(f"strip: {n}", reason, header, on_unverified="strip") for n, (reason, header) in refused.items()),
        _simulated("strip: a good token", [f"a=1,{entry}"], [f"{entry},a=1"], on_unverified="strip"),
        _refused(
            "strip, and everything must be marked", "missing", f"{KEY}=1", on_unverified="strip", on_missing="refuse"
        ),
    ]
