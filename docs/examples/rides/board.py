"""The dispatch board: who waits for a ride, and who takes it. It lives in memory; the books are elsewhere."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

PATIENCE = 0.5
"""Seconds for which a driver or a rider waits at the board before asking again."""


@dataclass
class Ride:
    id: str
    rider: str
    km: float
    status: str = "waiting"
    driver: str | None = None
    receipt: str | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def cents(self) -> int:
        return 250 + round(120 * self.km)

    def end(self, status: str) -> None:
        self.status = status
        self.ended.set()


class Board:
    def __init__(self) -> None:
        self._rides: dict[str, Ride] = {}
        self._waiting: deque[Ride] = deque()
        self._asked = asyncio.Condition()

    def find(self, ride_id: str) -> Ride | None:
        return self._rides.get(ride_id)

    async def ask(self, ride: Ride) -> None:
        async with self._asked:
            self._rides[ride.id] = ride
            self._waiting.append(ride)
            self._asked.notify()

    async def take(self, driver: str) -> Ride | None:
        """The ride that has waited longest; None where nobody has asked for a while."""
        async with self._asked:
            try:
                await asyncio.wait_for(self._asked.wait_for(lambda: self._waiting), PATIENCE)
            except asyncio.TimeoutError:
                return None
            ride = self._waiting.popleft()
            ride.status, ride.driver = "driving", driver
            return ride

    async def wait(self, ride: Ride) -> None:
        """Wait until the ride ends, or for a while."""
        try:
            await asyncio.wait_for(ride.ended.wait(), PATIENCE)
        except asyncio.TimeoutError:
            pass
