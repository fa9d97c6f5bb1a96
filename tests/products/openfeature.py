"""OpenFeature with its provider in memory, which records the context of each evaluation and of each tracked event."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from openfeature.transaction_context import NoOpTransactionContextPropagator

NAMES = ("synthetic", "synthetic_run", "synthetic_kind", "synthetic_actor", "synthetic_scenario")


class Recording(InMemoryProvider):
    """A provider with the flag ``surge``, which is on for simulated work only."""

    def __init__(self) -> None:
        self.contexts: list[EvaluationContext] = []
        self.tracked: list[tuple[str, EvaluationContext]] = []
        super().__init__({"surge": InMemoryFlag("off", {"on": True, "off": False}, context_evaluator=self._decide)})

    def _decide(self, flag: InMemoryFlag[Any], context: EvaluationContext) -> FlagResolutionDetails[Any]:
        self.contexts.append(context)
        variant = "on" if context.attributes.get("synthetic") else "off"
        return FlagResolutionDetails(flag.variants[variant], reason=Reason.TARGETING_MATCH, variant=variant)

    def track(self, name: str, evaluation_context: Any = None, details: Any = None) -> None:
        self.tracked.append((name, evaluation_context))

    def told(self) -> dict[str, Any]:
        """What the context of the last evaluation says about the work."""
        return told(self.contexts[-1])


def told(context: EvaluationContext) -> dict[str, Any]:
    """The attributes of ours."""
    return {name: context.attributes[name] for name in NAMES if name in context.attributes}


@contextmanager
def recording() -> Iterator[Recording]:
    """Set the provider, for all clients."""
    provider = Recording()
    api.set_provider(provider)
    try:
        yield provider
    finally:
        api.shutdown()
        # Older versions keep these.
        api.clear_hooks()
        api.set_evaluation_context(EvaluationContext())
        api.set_transaction_context_propagator(NoOpTransactionContextPropagator())


class Remote:
    """A server that speaks OFREP. It records the contexts and the headers that it gets."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.contexts: list[dict[str, Any]] = []
        self.headers: list[str] = []


@contextmanager
def remote() -> Iterator[Remote]:
    """Run the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            there.contexts.append(body["context"])
            there.headers.append(str(self.headers))
            key = self.path.rpartition("/")[2]
            answer = json.dumps({"key": key, "value": True, "reason": "STATIC", "variant": "on"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there = Remote(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield there
        finally:
            server.shutdown()
            thread.join()
