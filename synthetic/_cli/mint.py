"""``synthetic-traffic mint``: print a header that marks a request as simulated."""

from __future__ import annotations

import argparse
import json
import os
import re
from base64 import urlsafe_b64encode

from synthetic._config.in_force import configure
from synthetic._config.settings import BAGGAGE_KEY
from synthetic._egress.headers import headers
from synthetic._wire.token import TYPE
from synthetic._work.scopes import simulated

__all__ = ["mint", "print_refused_header"]


def mint(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    configure(
        keys=options.keys,
        environment=options.environment,
        issuer=options.issuer,
        lifetime=options.lifetime,
        policy={},
        uninstrumented="admit",
    )
    with simulated(run=options.run, kind=options.kind, actor=options.actor, scenario=options.scenario):
        print(f"baggage: {headers()['baggage']}")
    return 0


def print_refused_header(issuer: str | None = None) -> None:
    """Print a header that every service refuses. With no header, ``curl -H ""`` would send a real request."""
    key = os.environ.get("SYNTHETIC_KEY", "")
    if re.fullmatch(BAGGAGE_KEY, key, re.ASCII) is None:
        key = "synthetic-traffic"
    parts = ({"typ": TYPE, "alg": "none"}, {"iss": issuer or os.environ.get("SYNTHETIC_ISSUER") or "synthetic-traffic"})
    header, claims = (urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    print(f"baggage: {key}={header}.{claims}.mintfailed00")
