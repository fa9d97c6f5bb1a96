"""The first service: takes a ride and dispatches it from a thread pool."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import synthetic

synthetic.instrument()

from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from synthetic_starlette import install  # noqa: E402
from tests.e2e import store  # noqa: E402
from tests.e2e.tasks import dispatch  # noqa: E402

pool = ThreadPoolExecutor(4)


def hand_on(id_: str) -> None:
    store.record("thread", id_)
    dispatch.delay(id_)


async def book(request: Request) -> JSONResponse:
    id_ = request.path_params["id"]
    store.record("front", id_)
    await asyncio.get_running_loop().run_in_executor(pool, hand_on, id_)
    return JSONResponse({"taken": id_})


app = Starlette(routes=[Route("/rides/{id}", book, methods=["POST"])])
install(app)
