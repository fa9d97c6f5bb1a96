"""Users who charge, each with another client. The answer is a redirect to the quote."""

from __future__ import annotations

import requests
from locust import FastHttpUser, HttpUser, User, constant, task


class WithLocust(HttpUser):
    wait_time = constant(0.05)

    @task
    def charge(self) -> None:
        self.client.post("/charges")


class WithGevent(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def charge(self) -> None:
        self.client.post("/charges")


class WithRequests(User):
    wait_time = constant(0.05)

    @task
    def charge(self) -> None:
        requests.post(f"{self.host}/charges")


class Spinning(HttpUser):
    """It tries again and again, and never waits."""

    @task
    def charge(self) -> None:
        while True:
            try:
                self.client.post("/charges")
            except Exception:
                pass


class SpinningForEver(FastHttpUser):
    """It does not even end when it is told to."""

    @task
    def charge(self) -> None:
        while True:
            try:
                self.client.post("/charges")
            except BaseException:
                pass
