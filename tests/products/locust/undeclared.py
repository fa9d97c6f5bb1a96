"""A Locust file whose listeners call the service before any actor acts."""

from __future__ import annotations

from typing import Any

import requests
from locust import HttpUser, constant, events, task

import synthetic


@events.test_start.add_listener
def warm_up(environment: Any, **_: Any) -> None:
    with synthetic.real():
        requests.get(f"{environment.host}/quote", timeout=10)
    requests.get(f"{environment.host}/quote", timeout=10)


class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def quote(self) -> None:
        self.client.get("/quote")
