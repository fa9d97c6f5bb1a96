"""The way without patches: an application that is made with these classes."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP  # type: ignore[import-untyped]
from celery.app.task import Task  # type: ignore[import-untyped]
from celery.worker.request import Request  # type: ignore[import-untyped]

from synthetic_celery._eager import applying
from synthetic_celery._execution import Tracer
from synthetic_celery._publish import Sender
from synthetic_celery._reception import of_its_task, receiving

__all__ = ["SyntheticAMQP", "SyntheticRequest", "SyntheticTask"]


_amqp: Any = AMQP
_request: Any = Request
_task: Any = Task


def _always() -> bool:
    return True


class SyntheticAMQP(AMQP):  # type: ignore[misc]
    """Sends the marker along with every task of ``Celery(amqp=SyntheticAMQP)``."""

    send_task_message: Any = Sender(vars(_amqp)["send_task_message"], _always)


class SyntheticRequest(Request):  # type: ignore[misc]
    """What a worker's main process knows of a ``SyntheticTask`` that runs."""

    on_failure: Any = of_its_task(_request.on_failure, _always)
    on_timeout: Any = of_its_task(_request.on_timeout, _always)
    _announce_cancelled: Any = of_its_task(_request._announce_cancelled, _always)
    _announce_revoked: Any = of_its_task(_request._announce_revoked, _always)


class SyntheticTask(Task):  # type: ignore[misc]
    """Runs every task of ``Celery(task_cls=SyntheticTask)`` under the verdict on its message.

    A base class of your own has to be a subclass of it.
    """

    Request = "synthetic_celery._explicit:SyntheticRequest"
    __trace__: Any = Tracer(None, _always)
    start_strategy: Any = receiving(_task.start_strategy, _always)
    apply: Any = applying(_task.apply, _always)
