"""Riders who book, which works, and rate, which the service refuses."""

from __future__ import annotations

import observed  # noqa: F401 - the module on the page about staging
from locust import FastHttpUser, constant, task

from synthetic_locust import journey, step


class Rider(FastHttpUser):
    wait_time = constant(0.1)

    @task
    @journey("ride")
    def ride(self) -> None:
        with step("book"):
            self.client.post("/rides")

    @task
    @journey("rate")
    def rate(self) -> None:
        with step("send"):
            self.client.post("/ratings")
