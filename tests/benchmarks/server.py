"""A Starlette application on uvicorn, without the middleware and with it, in a process of its own.

One process serves them all, on a port each: two processes of the same program differ in speed by more than the
middleware costs. Prints the ports, and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import synthetic
import synthetic_starlette
from synthetic.asgi import SyntheticTrafficMiddleware


async def ride(request: Request) -> JSONResponse:
    """Answers without a database, so that nothing hides what the middleware costs."""
    return JSONResponse({"ride": request.path_params["number"], "status": "on its way"})


async def busy(request: Request) -> JSONResponse:
    """For how many seconds this process has been busy."""
    return JSONResponse({"seconds": time.process_time()})


def applications() -> Iterator[Starlette]:
    """The same application without the middleware, with it, and with all that ``install`` adds."""
    bare, marked, installed = (
        Starlette(routes=[Route("/rides/{number:int}", ride), Route("/busy", busy)]) for _ in range(3)
    )
    marked.add_middleware(SyntheticTrafficMiddleware)
    synthetic_starlette.install(installed)
    yield from (bare, marked, installed)


async def serve() -> None:
    """Serve all of them in one event loop."""
    servers: list[Any] = []
    for application in applications():
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(application, http="httptools", access_log=False, log_level="warning")
        servers.append(uvicorn.Server(config).serve(sockets=[listening]))
        print(listening.getsockname()[1], flush=True)
    await asyncio.gather(*servers)


def end_with_input() -> None:
    """End the process when the benchmark is gone, however it went."""
    sys.stdin.read()
    os._exit(0)


synthetic.configure(keys=json.loads(sys.argv[1]))
synthetic.instrument("logging")
threading.Thread(target=end_with_input, daemon=True).start()

uvloop.run(serve())
