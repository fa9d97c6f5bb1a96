"""Riders and drivers. Real and simulated ones run the same code; the simulated ones say so, once, at the top."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from random import Random
from typing import Any

import requests

import synthetic

RIDE_SECONDS = 20
"""How long a rider waits for a ride to end before giving up."""


class World:
    """The real riders and drivers, or the simulated ones, and what happened to them."""

    def __init__(self, rides: str, *, run: str | None, riders: int, random: Random) -> None:
        self.run = run
        self.asked: list[str] = []
        self.completed: list[str] = []
        self.looked_up: list[str] = []
        self.strangers: list[str] = []
        """Rides with a driver who is not of this world."""
        self.failures: list[str] = []
        self._rides = rides
        self._ids = random
        self._ids_lock = threading.Lock()
        self._drivers = {self._new_id("driver") for _ in range((riders + 1) // 2)}
        self._riders = {self._new_id("rider") for _ in range(riders)}
        self._threads: list[threading.Thread] = []
        self._riding: list[threading.Thread] = []

    def open(self, until: float) -> None:
        """Let everybody act until the clock ``time.monotonic()`` shows ``until``; rides under way are finished."""
        self._riding = [self._thread(self._ride, rider, until) for rider in sorted(self._riders)]
        self._threads = [*self._riding, *(self._thread(self._drive, driver) for driver in sorted(self._drivers))]
        for thread in self._threads:
            thread.start()

    @property
    def is_busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _thread(self, act: Callable[..., None], actor: str, *arguments: Any) -> threading.Thread:
        return threading.Thread(target=self._act, args=(act, actor, *arguments), name=actor, daemon=True)

    def _act(self, act: Callable[..., None], actor: str, *arguments: Any) -> None:
        simulating = self.run is not None
        marked = synthetic.simulated(run=self.run or "", actor=actor, scenario="ride") if simulating else nullcontext()
        with marked, requests.Session() as http:
            http.trust_env = False
            try:
                act(http, actor, *arguments)
            except Exception as error:
                self.failures.append(f"{actor} stopped: {error!r}")

    def _ride(self, http: requests.Session, rider: str, until: float) -> None:
        random = Random(rider)
        while True:
            try:
                self._ride_once(http, rider, random.uniform(0.5, 12))
            except (requests.RequestException, LookupError) as error:
                self.failures.append(f"{rider}: {error}")
            if time.monotonic() >= until:
                return
            time.sleep(random.uniform(0, 0.05))

    def _ride_once(self, http: requests.Session, rider: str, km: float) -> None:
        ride = self._new_id("ride")
        if self.run is None:
            self.looked_up.append(ride)
            _answer(http.get(f"{self._rides}/estimate", params={"ride": ride}, timeout=10))
        self.asked.append(ride)
        _answer(http.post(f"{self._rides}/rides", json={"ride": ride, "rider": rider, "km": km}, timeout=10))
        seen = self._wait_for_end(http, ride)
        if seen["driver"] not in self._drivers:
            self.strangers.append(ride)
        if seen["status"] == "finished" and seen["receipt"]:
            self.completed.append(ride)

    def _wait_for_end(self, http: requests.Session, ride: str) -> dict[str, Any]:
        patience = time.monotonic() + RIDE_SECONDS
        while time.monotonic() < patience:
            seen = _answer(http.get(f"{self._rides}/rides/{ride}", timeout=10)).json()
            if seen["status"] in ("finished", "failed"):
                return seen
        raise LookupError(f"ride {ride} did not end within {RIDE_SECONDS} seconds")

    def _drive(self, http: requests.Session, driver: str) -> None:
        while any(rider.is_alive() for rider in self._riding):
            try:
                offer = _answer(http.post(f"{self._rides}/drivers/{driver}/next-ride", timeout=10))
                if offer.status_code == 200:
                    _answer(http.post(f"{self._rides}/rides/{offer.json()['ride']}/finish", timeout=30))
            except requests.RequestException as error:
                self.failures.append(f"{driver}: {error}")
                time.sleep(0.1)

    def _new_id(self, what: str) -> str:
        """Names that tell nobody else which world they belong to."""
        with self._ids_lock:
            return f"{what}-{self._ids.getrandbits(64):016x}"


def _answer(response: requests.Response) -> requests.Response:
    response.raise_for_status()
    return response
