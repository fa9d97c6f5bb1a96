"""The rides service: riders ask, drivers take, and whatever a finished ride entails.

Run by the demo, which passes the addresses of the other services in the environment.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import smtplib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

import requests
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import serving
import synthetic
import synthetic_starlette
from board import Board, Ride

PAYMENTS = os.environ["PAYMENTS_URL"]
ANALYTICS = os.environ["ANALYTICS_URL"]
MAPS = os.environ["MAPS_URL"]
MAIL_PORT = int(os.environ["MAIL_PORT"])

synthetic.configure(service="rides")
synthetic.instrument("requests")
synthetic.guard_target("smtplib:SMTP.send_message", "notification")

http = requests.Session()
pool = ThreadPoolExecutor(max_workers=8)
books = sqlite3.connect("rides.db", check_same_thread=False, isolation_level=None)
books_lock = threading.Lock()
boards = {"real": Board(), "simulated": Board()}


def board() -> Board:
    """Simulated drivers never meet real riders: each kind has a board of its own."""
    return boards["simulated" if synthetic.is_synthetic() else "real"]


def ride_of(request: Request) -> Ride:
    ride = board().find(request.path_params["ride"])
    if ride is None:
        raise HTTPException(404, "There is no such ride.")
    return ride


async def ask(request: Request) -> Response:
    order = await request.json()
    await board().ask(Ride(order["ride"], order["rider"], order["km"]))
    return JSONResponse({"ride": order["ride"]}, 201)


async def look(request: Request) -> Response:
    ride = ride_of(request)
    await board().wait(ride)
    return JSONResponse({"status": ride.status, "driver": ride.driver, "receipt": ride.receipt})


async def take(request: Request) -> Response:
    ride = await board().take(request.path_params["driver"])
    return Response(status_code=204) if ride is None else JSONResponse({"ride": ride.id, "km": ride.km})


async def finish(request: Request) -> Response:
    ride = ride_of(request)
    # The one place where the marker would get lost: a thread pool starts its work in the context of its own threads.
    context = contextvars.copy_context()
    try:
        await asyncio.get_running_loop().run_in_executor(pool, context.run, settle, ride)
    except Exception:
        ride.end("failed")
        raise
    ride.end("finished")
    return JSONResponse({"ride": ride.id, "receipt": ride.receipt})


def estimate(request: Request) -> Response:
    """Ask the map vendor. Nobody thought of a guard here; simulated work is refused on its way out."""
    answer = http.get(MAPS, params={"ride": request.query_params["ride"]}, timeout=10)
    answer.raise_for_status()
    return JSONResponse(answer.json())


def settle(ride: Ride) -> None:
    charge(ride)
    store(ride)
    mail_receipt(ride)
    count(ride)


def charge(ride: Ride) -> None:
    """Payments has a guard of its own: the call is made, and the marker goes along."""
    answer = http.post(f"{PAYMENTS}/charges", json={"ride": ride.id, "cents": ride.cents}, timeout=10)
    if answer.status_code == 403:
        raise HTTPException(403, f"Payments refused the charge: {answer.text}")
    answer.raise_for_status()
    ride.receipt = answer.json()["receipt"]


@synthetic.guard("data-mutation")
def store(ride: Ride) -> None:
    with books_lock:
        books.execute("INSERT INTO rides VALUES (?, ?, ?, ?)", (ride.id, ride.rider, ride.driver, ride.cents))


def mail_receipt(ride: Ride) -> None:
    """``send_message`` is guarded where it is defined, so that no caller can forget it."""
    message = EmailMessage()
    message["From"], message["To"] = "rides@example.com", f"{ride.rider}@example.com"
    message["Subject"] = f"Receipt for ride {ride.id}"
    message.set_content(f"{ride.km:.1f} km, {ride.cents / 100:.2f}. Receipt {ride.receipt}.")
    with smtplib.SMTP(serving.LOOPBACK, MAIL_PORT, local_hostname="rides", timeout=10) as smtp:
        smtp.send_message(message)


@synthetic.guard("analytics")
def count(ride: Ride) -> None:
    http.post(ANALYTICS, params={"ride": ride.id}, timeout=10).raise_for_status()


app = Starlette(
    routes=[
        Route("/rides", ask, methods=["POST"]),
        Route("/rides/{ride}", look),
        Route("/rides/{ride}/finish", finish, methods=["POST"]),
        Route("/drivers/{driver}/next-ride", take, methods=["POST"]),
        Route("/estimate", estimate),
    ]
)
synthetic_starlette.install(app)


def main() -> None:
    books.execute("PRAGMA journal_mode = WAL")
    books.execute("PRAGMA synchronous = NORMAL")
    books.execute("CREATE TABLE IF NOT EXISTS rides (ride TEXT, rider TEXT, driver TEXT, cents INTEGER)")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=75))
    listener = serving.listen()
    serving.announce(listener.getsockname()[1])
    serving.when_the_demo_ends(lambda: setattr(server, "should_exit", True))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
