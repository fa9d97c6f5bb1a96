"""A monkey-patched program: a gevent server, clients on keep-alive connections, and work that fans out everywhere.

``python -m tests.integrations.gevent.soak REQUESTS`` prints how often what was checked, and what was wrong.
"""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import http.client
import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import gevent
import gevent.event
import gevent.pool
import gevent.pywsgi
import requests

import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.products.concurrency import seen
from tests.support.keys import shared_key
from tests.support.markers import marked

CLIENTS = 24
ACTORS = 40


class Findings:
    """Which steps were checked, and what was wrong. Native threads note too: a list's append needs no lock."""

    def __init__(self) -> None:
        self.checked: list[str] = []
        self.wrong: list[str] = []

    def check(self, step: str, expected: str) -> None:
        """Compare with the verdict in force. No verdict counts as real."""
        found = seen()
        self.note(step, expected, "real" if found == "unset" else found)

    def note(self, step: str, expected: str, found: str) -> None:
        self.checked.append(step)
        if found != expected:
            self.wrong.append(f"{step}: {expected} was taken for {found}")


FINDINGS = Findings()
SESSION = requests.Session()
POOL = gevent.pool.Pool(50)
EXECUTOR = ThreadPoolExecutor(8)


def fan_out(expected: str, port: int) -> None:
    """Do a part of the work over every hop."""
    check = FINDINGS.check
    greenlets = [
        gevent.spawn(nested, expected),
        gevent.spawn_later(0.001, check, "spawn_later", expected),
        POOL.apply_async(int, callback=lambda _: check("callback", expected)),
        POOL.spawn(check, "Pool", expected),
    ]
    raw = gevent.event.Event()
    gevent.spawn_raw(lambda: (check("spawn_raw", expected), raw.set()))
    job = gevent.get_hub().threadpool.spawn(check, "threadpool", expected)
    thread = threading.Thread(target=check, args=("Thread", expected))
    thread.start()
    future: Future[None] = EXECUTOR.submit(check, "ThreadPoolExecutor", expected)
    inner = SESSION.get(f"http://127.0.0.1:{port}/inner", timeout=30)
    FINDINGS.note("requests", expected, inner.text)
    gevent.joinall(greenlets, raise_error=True)
    raw.wait()
    job.get()
    thread.join()
    future.result()


def nested(expected: str) -> None:
    for _ in range(3):
        gevent.sleep(0)
        FINDINGS.check("spawn", expected)
    gevent.spawn(FINDINGS.check, "a greenlet's greenlet", expected).join()


def application(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("content-type", "text/plain")])
    found = seen()
    if environ["PATH_INFO"] == "/inner":
        gevent.sleep(0)
        FINDINGS.note("inner, at its end", found, seen())
        return [found.encode()]
    expected = environ["HTTP_X_SENT"]
    FINDINGS.note("request", expected, found)
    fan_out(expected, int(environ["SERVER_PORT"]))
    return streamed(expected)


def streamed(expected: str) -> Iterable[bytes]:
    for _ in range(3):
        gevent.sleep(0)
        FINDINGS.check("stream", expected)
        yield seen().encode() + b"\n"


def client(port: int, keys: Any, seed: int, count: int) -> None:
    """Send requests of all kinds over one connection."""
    randomly = random.Random(seed)
    stranger = shared_key(keys["keys"][-1]["kid"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(count):
        run = f"run-{randomly.randrange(ACTORS)}"
        (kind,) = randomly.choices(["real", "simulated", "forged"], [45, 45, 10])
        headers = {"real": [], "simulated": marked(keys, run=run), "forged": marked(stranger, run=run)}[kind]
        expected = run if kind == "simulated" else "real"
        connection.request("GET", "/", headers={**dict(headers), "x-sent": expected})
        response = connection.getresponse()
        body = set(response.read().decode().split("\n")) - {""}
        if kind == "forged":
            FINDINGS.note("refused", "403", str(response.status))
        else:
            FINDINGS.note("response", f"200 {[expected]}", f"{response.status} {sorted(body)}")
    connection.close()


def main(count: int) -> None:
    keys = shared_key()
    synthetic.configure(keys=keys)
    synthetic.instrument("gevent", "concurrency", "requests", "urllib3")
    server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), SyntheticTrafficMiddleware(application), log=None)
    server.start()
    clients = [gevent.spawn(client, server.server_port, keys, seed, count // CLIENTS) for seed in range(CLIENTS)]
    gevent.joinall(clients, raise_error=True)
    server.stop()
    print(json.dumps({"checked": Counter(FINDINGS.checked), "wrong": FINDINGS.wrong[:20]}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
