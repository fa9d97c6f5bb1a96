"""A Starlette application on uvicorn, with the middleware and without it, in a process of its own.

Both are served by one process, on a port each: two processes of the same program differ in speed by more than the
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
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import synthetic
import synthetic_starlette


async def ride(request: Request) -> JSONResponse:
    """Answers without a database, so that nothing hides what the middleware costs."""
    return JSONResponse({"ride": request.path_params["number"], "status": "on its way"})


async def busy(request: Request) -> JSONResponse:
    """For how many seconds this process has been busy."""
    return JSONResponse({"seconds": time.process_time()})


def application(*, is_marked: bool) -> Starlette:
    app = Starlette(routes=[Route("/rides/{number:int}", ride), Route("/busy", busy)])
    if is_marked:
        synthetic_starlette.install(app)
    return app


async def serve() -> None:
    """Serve both applications in one event loop."""
    servers: list[Any] = []
    for is_marked in (False, True):
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(
            application(is_marked=is_marked), http="httptools", access_log=False, log_level="warning"
        )
        servers.append(uvicorn.Server(config).serve(sockets=[listening]))
        print(listening.getsockname()[1], flush=True)
    await asyncio.gather(*servers)


def end_with_input() -> None:
    """End the process when the benchmark is gone, however it went."""
    sys.stdin.read()
    os._exit(0)


synthetic.configure(keys=json.loads(sys.argv[1]))
threading.Thread(target=end_with_input, daemon=True).start()

uvloop.run(serve())
