"""Run simulated users through the real system, without one simulated order reaching the books.

Mark a request once: the marker follows it through every service, and guarded side effects do not happen for it. Call
``configure`` first, wrap your application in the middleware of ``synthetic.asgi`` or ``synthetic.wsgi``, decorate
functions that have side effects with ``guard``, and start simulated work in ``simulated``.
"""

from synthetic._admission.messages import admitted
from synthetic._config.in_force import configure, configured
from synthetic._egress.headers import headers
from synthetic._guards.decision import allows
from synthetic._guards.guard import guard
from synthetic._guards.targets import guard_target
from synthetic._instrument.instrument import instrument, uninstrument
from synthetic._model.marker import Marker
from synthetic._work.carry import carry
from synthetic._work.queues import carry_queue
from synthetic._work.scopes import real, simulated
from synthetic._work.state import current, is_synthetic
from synthetic.errors import EffectRefused, MessageRefused, UnverifiedMarker

__all__ = [
    "EffectRefused",
    "Marker",
    "MessageRefused",
    "UnverifiedMarker",
    "admitted",
    "allows",
    "carry",
    "carry_queue",
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
