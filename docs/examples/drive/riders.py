"""Simulated riders and drivers, as a Locust file. They meet in the company, as real ones do."""

from __future__ import annotations

from random import Random

from locust import FastHttpUser, HttpUser, between, constant, task

import synthetic
import synthetic.ids
from synthetic_locust import journey, step


class Rider(FastHttpUser):
    weight = 2
    wait_time = between(0.1, 0.4)

    def on_start(self) -> None:
        self.random = Random(synthetic.current().actor)

    @task
    @journey("ride")
    def ride(self) -> None:
        ride = str(synthetic.ids.uuid())
        order = {"ride": ride, "rider": synthetic.current().actor, "km": self.random.uniform(0.5, 12)}
        with step("ask"):
            self.client.post("/rides", json=order)
        with step("arrive", within=20):
            while (status := self.client.get(f"/rides/{ride}").json()["status"]) != "finished":
                if status == "failed":
                    raise RuntimeError("the ride failed")


class Driver(HttpUser):
    wait_time = constant(0)

    @task
    def work(self) -> None:
        offer = self.client.post(f"/drivers/{synthetic.current().actor}/next-ride", name="next-ride")
        if offer.status_code != 200:
            return  # nobody asked: no journey, neither good nor bad
        with journey("drive"), step("finish"):
            self.client.post(f"/rides/{offer.json()['ride']}/finish")
