"""A service for simulated riders and drivers, in a process of its own. It counts at the sink what arrives.

``GET /sink`` returns the counts, and ``POST /sink`` changes how the service behaves; neither is counted.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware

_numbers = itertools.count(1)
_rides: dict[str, dict[str, Any]] = {}
_waiting: list[str] = []

sink: dict[str, Any] = {"marked": 0, "unmarked": 0, "last": 0.0, "shed": 0}
actors: set[str] = set()
tokens: set[str] = set()
runs: set[str] = set()
traces: set[str] = set()
behaviour: dict[str, Any] = {
    "guarded": True,
    "finish": 200,
    "sheds": False,
    "redirect": None,
    "charges": True,
    "dial": {},
}
"""``charges`` is whether the service behind that path has the middleware, as all others have if ``guarded`` is true."""


def _is_guarded(path: str) -> bool:
    return bool(behaviour["guarded"] and (behaviour["charges"] or path != "/charges"))


def _count(request: Request) -> None:
    marker = synthetic.current() if _is_guarded(request.url.path) else None
    sink["marked" if marker else "unmarked"] += 1
    sink["last"] = time.time()
    if marker is None:
        # Also there after this process was killed.
        with Path("unmarked.txt").open("a") as file:
            file.write(f"{request.method} {request.url.path}\n")
    else:
        actors.add(str(marker.actor))
        runs.add(marker.run)
        tokens.add(request.headers["baggage"])
    if "traceparent" in request.headers:
        traces.add(request.headers["traceparent"].split("-")[1])


async def _quote(request: Request) -> Any:
    _count(request)
    if behaviour["redirect"]:
        return RedirectResponse(behaviour["redirect"])
    return JSONResponse({"cents": 250})


async def _book(request: Request) -> Any:
    _count(request)
    ride = f"ride-{next(_numbers)}"
    _rides[ride] = {"status": "waiting", "rider": (await request.json())["rider"]}
    _waiting.append(ride)
    return JSONResponse({"ride": ride}, 201)


async def _look(request: Request) -> Any:
    _count(request)
    return JSONResponse(_rides[request.path_params["ride"]])


async def _offer(request: Request) -> Any:
    _count(request)
    ride = _waiting.pop(0) if _waiting else None
    if ride is not None:
        _rides[ride].update(status="driving", driver=request.path_params["driver"])
    return JSONResponse({"ride": ride})


async def _finish(request: Request) -> Any:
    _count(request)
    if behaviour["finish"] != 200:
        return JSONResponse({"error": "payments"}, behaviour["finish"])
    ride = _rides[request.path_params["ride"]]
    ride["status"] = "finished"
    rider, driver = ride["rider"].split("-"), ride["driver"].split("-")
    sink["met"] = sink.get("met", 0) + 1
    sink["met_across"] = sink.get("met_across", 0) + (rider[1] != driver[1])
    return JSONResponse({})


async def _charge(request: Request) -> Any:
    _count(request)
    return RedirectResponse("/quote", 303)


async def _slow(request: Request) -> Any:
    _count(request)
    await asyncio.sleep(float(request.query_params["seconds"]))
    return JSONResponse({})


async def _dial(request: Request) -> Any:
    return JSONResponse(behaviour["dial"])


async def _sink(request: Request) -> Any:
    if request.method == "POST":
        behaviour.update(await request.json())
    seen = {"actors": sorted(actors), "tokens": len(tokens), "runs": sorted(runs), "traces": sorted(traces)}
    return JSONResponse({**sink, **seen, "now": time.time()})


application = Starlette(
    routes=[
        Route("/quote", _quote),
        Route("/rides", _book, methods=["POST"]),
        Route("/rides/{ride}", _look),
        Route("/rides/{ride}/finish", _finish, methods=["POST"]),
        Route("/drivers/{driver}/next", _offer, methods=["POST"]),
        Route("/charges", _charge, methods=["POST"]),
        Route("/slow", _slow),
        Route("/dial", _dial),
        Route("/sink", _sink, methods=["GET", "POST"]),
    ]
)
guarded = SyntheticTrafficMiddleware(application)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Have the middleware, or not: a deployment that forgot it."""
    path = scope.get("path", "")
    inner = guarded if _is_guarded(path) and path not in ("/sink", "/dial") else application
    await inner(scope, receive, send)


def main(port: int) -> None:
    synthetic.configure(shed=lambda: bool(behaviour["sheds"]))
    synthetic.instrument()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical", timeout_keep_alive=600)


if __name__ == "__main__":
    main(int(sys.argv[1]))
