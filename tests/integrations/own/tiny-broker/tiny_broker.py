"""A message broker inside one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Queue


@dataclass(frozen=True)
class Message:
    topic: str
    body: str
    headers: Mapping[str, str]


class TryAgain(Exception):
    """Raised by a callback: the broker delivers the message again after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"try again in {seconds} seconds")
        self.seconds = seconds


class Broker:
    """Calls the callback of a topic for each message, one after another, in a thread of its own."""

    def __init__(self) -> None:
        self.dead_letters: list[tuple[Message, Exception]] = []
        self._callbacks: dict[str, Callable[[Message], None]] = {}
        self._queue: Queue[Message] = Queue()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    def subscribe(self, topic: str, callback: Callable[[Message], None]) -> None:
        self._callbacks[topic] = callback

    def publish(self, topic: str, body: str, headers: Mapping[str, str] | None = None) -> None:
        self._queue.put(Message(topic, body, headers or {}))
        self.start()

    def start(self) -> None:
        """Start the worker unless it runs. ``publish`` calls this."""
        with self._lock:
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, daemon=True)
                self._worker.start()

    def join(self) -> None:
        """Wait until every message was handled or is a dead letter."""
        self._queue.join()

    def _work(self) -> None:
        while True:
            message = self._queue.get()
            try:
                callback = self._callbacks[message.topic]
                callback(message)
            except TryAgain as wanted:
                threading.Timer(wanted.seconds, self._put_back, [message]).start()
                continue
            except Exception as error:
                self.dead_letters.append((message, error))
            self._queue.task_done()

    def _put_back(self, message: Message) -> None:
        self._queue.put(message)
        self._queue.task_done()
