"""Simulated users in the real system, without one simulated order in the books.

Mark a request once; the mark follows it everywhere, and what must not happen for simulated work does not happen. Start
with ``configure``, put ``synthetic.asgi`` or ``synthetic.wsgi`` at the door, ``guard`` what has effects, and run
simulated work in ``simulated``.
"""

from synthetic._arrival import admitted
from synthetic._carry import carry
from synthetic._config import configure, configured
from synthetic._decision import allows
from synthetic._guard import guard
from synthetic._instrument import instrument, uninstrument
from synthetic._marker import Marker
from synthetic._scope import headers, real, simulated
from synthetic._target import guard_target
from synthetic._verdict import current, is_synthetic
from synthetic.errors import EffectRefused, MessageRefused, UnverifiedMarker

__all__ = [
    "EffectRefused",
    "Marker",
    "MessageRefused",
    "UnverifiedMarker",
    "admitted",
    "allows",
    "carry",
    "configure",
    "configured",
    "current",
    "guard",
    "guard_target",
    "headers",
    "instrument",
    "is_synthetic",
    "real",
    "simulated",
    "uninstrument",
]
