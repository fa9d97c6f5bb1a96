"""Users who send one request after the other, swallow every error, and send more as they end."""

from __future__ import annotations

from typing import Any

from locust import FastHttpUser, HttpUser, constant, task


class _Eager:
    client: Any

    def _send(self) -> None:
        try:
            self.client.get("/quote")
        except Exception:
            pass


class Eager(_Eager, HttpUser):
    wait_time = constant(0)

    @task
    def ask(self) -> None:
        for _ in range(20):
            self._send()

    def on_stop(self) -> None:
        self._send()


class EagerAndFast(_Eager, FastHttpUser):
    wait_time = constant(0)

    @task
    def ask(self) -> None:
        try:
            for _ in range(20):
                self._send()
        finally:
            self._send()

    def on_stop(self) -> None:
        self._send()
