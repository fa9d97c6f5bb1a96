"""A Locust file that does what it should not: calls at import, an ``on_stop`` that fails, and a client of its own."""

from __future__ import annotations

import os

import requests
from geventhttpclient import HTTPClient
from locust import HttpUser, constant, task

try:
    requests.get(f"{os.environ['LOCUST_HOST']}/quote", timeout=10)
except Exception as error:
    print(f"at import: {error}", flush=True)


class Awkward(HttpUser):
    wait_time = constant(0.1)

    @task
    def quote(self) -> None:
        host = str(self.host).partition("//")[2].partition(":")
        HTTPClient(host[0], int(host[2])).get("/quote").read()

    def on_stop(self) -> None:
        raise ValueError("in on_stop")
