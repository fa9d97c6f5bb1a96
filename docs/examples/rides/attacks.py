"""Markers that must not be believed, and a simulated call that must not leave."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import cycle
from random import Random

import requests

import synthetic
from keys import Jwk, new_key


@dataclass
class Attack:
    """One way to get a simulated ride where it does not belong. The service must say 403 and ``reason``."""

    name: str
    reason: str
    header: str | None = None
    """The ``baggage`` header; None for an honest marker, where the call is what is refused."""
    sent: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)


def bad_markers(demo: Jwk, staging: Jwk) -> list[Attack]:
    """Every kind of marker that is not good, made with the library itself. ``demo`` signs for this environment."""
    good = _entry(demo, "one")
    an_hour_ago = time.time() - 3600
    return [
        Attack("forged signature", "bad-signature", _entry(new_key(demo["kid"]))),
        Attack("unknown key", "unknown-key", _entry(new_key("somebody-elses"))),
        Attack("expired", "expired", _entry(demo, clock=lambda: an_hour_ago)),
        Attack("replayed from staging", "wrong-environment", _entry(staging, environment="staging")),
        Attack("two different markers", "ambiguous", f"{good},{_entry(demo, 'two')}"),
        Attack("key spelled with %73", "malformed", good.replace("synthetic-traffic=", "%73ynthetic-traffic=")),
    ]


def undeclared_call() -> Attack:
    """An honest simulated rider asks for something that rides gets from a host that takes no part."""
    return Attack("call to an undeclared host", "effect-refused")


def _entry(key: Jwk, run: str = "attack", **settings: object) -> str:
    with synthetic.configured(keys={"keys": [key]}, policy={}, **settings), synthetic.simulated(run=run):
        return synthetic.headers()["baggage"]


class Attacker:
    """Sends every attack in turn, to rides and to payments alike."""

    def __init__(self, rides: str, payments: str, attacks: list[Attack], *, run: str, random: Random) -> None:
        self.attacks = attacks
        self._rides = rides
        self._doors = cycle([f"{rides}/rides", f"{payments}/charges"])
        self._run = run
        self._ids = random
        self._thread = threading.Thread(target=self._attack, name="attacker", daemon=True)

    def open(self, until: float) -> None:
        self._until = until
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        return self._thread.is_alive()

    def _attack(self) -> None:
        with requests.Session() as http:
            http.trust_env = False
            while True:
                door = next(self._doors)
                for attack in self.attacks:
                    self._send(http, attack, door)
                    time.sleep(0.02)
                if time.monotonic() >= self._until:
                    return

    def _send(self, http: requests.Session, attack: Attack, door: str) -> None:
        ride = f"ride-{self._ids.getrandbits(64):016x}"
        attack.sent.append(ride)
        try:
            answer = self._call(http, attack, door, ride)
            reason = answer.json().get("reason") if answer.status_code == 403 else None
        except requests.RequestException as error:
            attack.surprises.append(f"{ride}: {error}")
            return
        if reason == attack.reason:
            attack.refused.append(ride)
        else:
            attack.surprises.append(f"{ride}: {answer.status_code} {reason or ''} from {answer.url}")

    def _call(self, http: requests.Session, attack: Attack, door: str, ride: str) -> requests.Response:
        if attack.header is None:
            with synthetic.simulated(run=self._run, actor="attacker"):
                return http.get(f"{self._rides}/estimate", params={"ride": ride}, timeout=10)
        order = {"ride": ride, "rider": "attacker", "km": 1.0, "cents": 100}
        return http.post(door, json=order, headers={"baggage": attack.header}, timeout=10)
