"""Riders and drivers who meet in the product."""

from __future__ import annotations

from gevent import sleep
from locust import FastHttpUser, HttpUser, constant, task

import synthetic
from synthetic_locust import journey, step


class Rider(FastHttpUser):
    weight = 2
    wait_time = constant(0.1)

    @task
    @journey("ride")
    def ride(self) -> None:
        with step("quote"):
            self.client.get("/quote").json()
        with step("book"):
            marker = synthetic.current()
            assert marker is not None
            ride = self.client.post("/rides", json={"rider": marker.actor}).json()["ride"]
        with step("arrive", within=20):
            while self.client.get(f"/rides/{ride}", name="look").json()["status"] != "finished":
                sleep(0.05)


class Driver(HttpUser):
    wait_time = constant(0.05)

    @task
    def work(self) -> None:
        marker = synthetic.current()
        assert marker is not None
        offer = self.client.post(f"/drivers/{marker.actor}/next", name="offer").json()
        if offer["ride"] is not None:
            with journey("drive"), step("finish"):
                self.client.post(f"/rides/{offer['ride']}/finish")
