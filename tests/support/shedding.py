"""For tests of shedding: what a busy machine would shed is not shed, and what a test holds is nobody else's before."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from synthetic._admission import decision, shedding
from tests.support.servers import wait_until


@contextmanager
def unhurried() -> Iterator[None]:
    """No turn is too long, and no place is lost to another by waiting. In the end, all places are free."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shedding, "LONGEST_TURN", 3600.0)
        patch.setattr(decision, "PATIENCE", 3600.0)
        yield
    gc.collect()
    wait_until(lambda: not shedding._taken)


def places() -> int:
    """How many places are taken in this process."""
    return len(shedding._taken)
