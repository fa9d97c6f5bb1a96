"""A file with a listener that configures the library itself, and then makes a call of nobody's."""

from __future__ import annotations

import os
from typing import Any

import requests
from locust import HttpUser, constant, events, task

import synthetic


@events.test_start.add_listener
def begin(environment: Any, **_: Any) -> None:
    synthetic.configure(environment="staging")
    try:
        requests.get(f"{environment.host}/quote")
    except Exception as error:
        print(f"at the start: {error}", flush=True)


class Rider(HttpUser):
    wait_time = constant(0.1)

    @task
    def ask(self) -> None:
        self.client.get("/quote")


assert os.environ["SYNTHETIC_UNDECLARED"] == "refuse"
