"""What the benchmarks of shedding serve: COST milliseconds of processor and WAITING of waiting per request.

The process keeps to the core that the variable CORE names. Whoever loads it takes another.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

import synthetic
import synthetic.asgi
import synthetic.wsgi

COST = float(os.environ.get("COST", "3")) / 1000
WAITING = float(os.environ.get("WAITING", "5")) / 1000
KEYS = json.loads(os.environ["KEYS"])

if "CORE" in os.environ:
    os.sched_setaffinity(0, {int(os.environ["CORE"])})


def configure(shed: Any) -> None:
    synthetic.configure(keys=KEYS, shed=shed)


configure(None)
synthetic.instrument("logging")


def busy(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def answer(path: str) -> bytes:
    """Return what a path asks for: the processor time of this process, or another way to shed."""
    if path in ("/auto", "/none"):
        configure({"/auto": "auto", "/none": None}[path])
    return json.dumps({"seconds": time.process_time()}).encode()


async def _asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/work":
        busy(COST * 0.6)
        await asyncio.sleep(WAITING)
        busy(COST * 0.4)
    body = answer(scope["path"])
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _wsgi(environ: Any, start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/work":
        busy(COST * 0.6)
        time.sleep(WAITING)
        busy(COST * 0.4)
    body = answer(environ["PATH_INFO"])
    start_response("200 OK", [("content-length", str(len(body)))])
    return [body]


asgi = synthetic.asgi.SyntheticTrafficMiddleware(_asgi)
wsgi = synthetic.wsgi.SyntheticTrafficMiddleware(_wsgi)
