"""The simulated riders of the load test, as a Locust file: each would like four answers a second."""

from __future__ import annotations

import json
from typing import Any

from locust import FastHttpUser, constant_throughput, events, task
from locust.runners import MasterRunner

from synthetic_locust import journey, step


class Rider(FastHttpUser):
    wait_time = constant_throughput(4)

    @task
    @journey("look")
    def look(self) -> None:
        with step("rides"):
            self.client.get("/rides")


@events.init.add_listener
def announce(environment: Any, **_: Any) -> None:
    """Tell the demo on which port the master listens: the system has chosen it."""
    if isinstance(environment.runner, MasterRunner):
        print(json.dumps({"port": environment.runner.server.port}), flush=True)
