"""The riders and drivers of the tests, at the pace of people."""

from __future__ import annotations

from locust import constant

from tests.products.locust import rides


class Rider(rides.Rider):
    weight = 2
    wait_time = constant(3)


class Driver(rides.Driver):
    wait_time = constant(1)
