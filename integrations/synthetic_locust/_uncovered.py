"""Which of Locust's own user classes have a client that carries no marker."""

from __future__ import annotations

from typing import Final

__all__ = ["uncovered"]

_MODULES: Final = (
    "locust.contrib.milvus",
    "locust.contrib.mongodb",
    "locust.contrib.mqtt",
    "locust.contrib.postgres",
    "locust.contrib.qdrant",
    "locust.contrib.socketio",
)


def uncovered(kind: type) -> bool:
    """Return whether a class of users has such a client, its own or inherited."""
    return any(base.__module__ in _MODULES for base in kind.__mro__)
