"""The marker at an AWS Lambda function. Nothing is patched.

Decorate the handler with ``admit``: HTTP events (API Gateway, ALB, function URLs, VPC Lattice) are admitted like
requests, events of EventBridge and records of SQS and SNS like messages. Or decorate a function of one record with
``each_record``: the queue learns which records failed or were refused, and the rest of the batch is done.
"""

from __future__ import annotations

from synthetic_awslambda._in import admit
from synthetic_awslambda._records import admitted, each_record

__all__ = ["admit", "admitted", "each_record"]
