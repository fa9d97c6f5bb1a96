"""A Locust file whose author does not know this library: users, task sets, and a class with a client of its own."""

from __future__ import annotations

from typing import Any

import requests
from locust import FastHttpUser, HttpUser, TaskSet, User, between, constant, tag, task


class Browse(TaskSet):
    @task(3)
    def quote(self) -> None:
        self.client.get("/quote")

    @task
    def leave(self) -> None:
        self.interrupt()


class WebsiteUser(HttpUser):
    wait_time = between(0.05, 0.1)
    tasks = [Browse]  # noqa: RUF012 - as in Locust's documentation

    def on_start(self) -> None:
        self.client.get("/quote?at=start")

    def on_stop(self) -> None:
        self.client.get("/quote?at=stop")


class ApiUser(FastHttpUser):
    wait_time = constant(0.1)

    @tag("quotes")
    @task
    def quote(self) -> None:
        with self.client.get("/quote", catch_response=True) as response:
            if response.json()["cents"] != 250:
                response.failure("wrong price")


class OwnClientUser(User):
    wait_time = constant(0.1)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.session = requests.Session()

    @task
    def quote(self) -> None:
        with self.environment.events.request.measure("own", "/quote"):
            self.session.get(f"{self.host}/quote").raise_for_status()
