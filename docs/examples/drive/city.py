"""The service under load: each request for a ride takes some time of the processor, and some of waiting.

It prints how many simulated requests it has answered and shed, twice a second.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

sys.path.append(str(Path(__file__).parents[1] / "rides"))

import serving
import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware

PROCESSOR_SECONDS = 0.003
WAITING_SECONDS = 0.005
PAUSE = 0.5

synthetic.configure(service="city")
synthetic.instrument("requests")


async def ride(request: Request) -> Response:
    """Compute, as a service does that looks for a driver nearby, and then wait, as for a database."""
    end = time.thread_time() + PROCESSOR_SECONDS
    while time.thread_time() < end:
        pass
    await asyncio.sleep(WAITING_SECONDS)
    return JSONResponse({"minutes": 4})


class Counted:
    """Counts the answers to simulated requests, outside of the middleware. Every answer says what it was."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.numbers = {"simulated": 0, "later": 0, "refused": 0}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def counting(message: Any) -> None:
            if message["type"] == "http.response.start":
                said = dict(message["headers"]).get(b"synthetic-traffic")
                if said is not None:
                    self.numbers[said.decode()] += 1
            await send(message)

        await self._app(scope, receive, counting)

    def tell(self) -> None:
        while True:
            time.sleep(PAUSE)
            try:
                print(json.dumps(self.numbers), flush=True)
            except OSError:  # the demo is gone
                return


app = Counted(SyntheticTrafficMiddleware(Starlette(routes=[Route("/rides", ride)])))


def main() -> None:
    # The same everywhere, whatever faster loops and parsers are installed.
    config = uvicorn.Config(app, loop="asyncio", http="h11", log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    listener = serving.listen()
    serving.announce(listener.getsockname()[1])
    serving.when_the_demo_ends(lambda: setattr(server, "should_exit", True))
    threading.Thread(target=app.tell, daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
