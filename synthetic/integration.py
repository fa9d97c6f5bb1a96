"""What an integration may use, beside the other public modules. The integrations of this project use nothing else.

An integration says where a library keeps its headers, when its calls leave and where its messages are handled. This
module makes every decision. The page *Write your own integration* builds a complete one. An integration for messages
usually needs no more than ``Patch``, ``Patches`` and ``IsOn``; ``outgoing`` and ``go_on_after``;
``verdict_on`` and ``under``.

**Patches.** ``Patch`` wraps an attribute of a class or module. ``LatePatches`` does so once a module is imported.
``Patches`` applies all of its patches or none: it is an ``Integration``, the object that an entry point in the group
``synthetic.integrations`` names. A wrapper gets ``is_on`` (an ``IsOn``) and passes calls on unchanged while that
returns False. ``always_on`` is the ``is_on`` of a wrapper that is used without a patch.

**The way out.** ``outgoing`` returns the headers that a message leaves with; ``outgoing_pairs`` does so for headers in
pairs. For other carriers, ``dispatch`` decides on a message and ``depart`` on a call to a host, given the ``baggage``
header that it has. Each returns, beside the header, a ``Within``: ``within(send, request)`` makes the call in the
OpenTelemetry context that belongs to the header, and ``await within(send, request)`` does so for a coroutine function.
``beside_message`` gives one for a request that brings a message to a broker over HTTP, and ``directly`` just makes the
call. ``takes_part`` tells whether a host takes part. ``go_on_after`` says what follows when the integration itself
fails.

**The way in: messages.** ``verdict_on`` returns the verdict on a message, given its headers, and raises
``synthetic.MessageRefused`` if the message is not admitted; ``verdict_on_values`` takes the values of its ``baggage``
headers. ``under`` calls a function under the verdict, and ``await_under`` a coroutine function. ``AdmittedMessage``
puts the verdict in force for a ``with`` block. With ``takes_place=True``, a service that sheds refuses a simulated
message for later while it handles others.

**The way in: requests.** An ``Entrance`` decides on requests, and returns ``Admitted`` (``AS_REAL``, if the request
carries no marker) or ``Refused``. ``refusal_of`` gives the response (a ``Problem``) for a refused request,
``problem_of`` the one for a refused effect. In a simulated response, ``SIMULATED_CACHE_CONTROL`` replaces every header
that ``is_cache_header``, and the header ``ACKNOWLEDGEMENT`` says ``SIMULATED``, unless the application has set it.
``OnMissing`` and ``OnUnverified`` are the settings of an entrance. A server on an event loop awaits ``Entrance.turn``
for every decision but ``AS_REAL``, and calls ``give_place_back`` of the verdict as the response starts.

**Headers.** ``baggage_in`` reads the header ``BAGGAGE`` from a ``Carrier``: a mapping or pairs. ``is_baggage``
recognizes its name. ``has_marker`` tells whether headers have a
marker. ``claimed_by`` returns the verdict on a marker that was admitted elsewhere.

**Kept objects.** OpenTelemetry's instrumentation writes the marker into objects of the caller, who may send them again
for other work. With the patch ``noting_injections()`` an integration knows of it: ``forget_injected`` gives an object
back what it held before. Call it after the call, or once the headers are copied. If an object ``is_injected``, send a
copy. ``outgoing`` and ``outgoing_pairs`` do all that.

**Verdicts.** A ``Verdict`` is ``Real`` (always ``REAL``), ``Simulated`` (``Received``, if it came with a token) or
``Unverified``. ``Reason`` says why a marker was refused. ``current_verdict`` returns the verdict in force. ``enter``
puts one in force and returns an ``Entered``, with which ``leave`` restores what was before. On a hot path, ask
``VERDICT.get() is REAL`` first.

**Jobs and workers.** ``job_of`` returns a function that runs under the verdict of the work that submits it. ``Carried``
runs under a given verdict, for example the ``marked_verdict``. ``callback_of`` returns a ``Callback`` for a library
that calls it in a thread or loop of its own: under the verdict of the code that registers it, and equal to its
function. A worker outlives the work that starts it: start it through ``without_verdict``. ``is_worker`` recognizes one.
``carry_into`` and ``is_pool_thread`` are for greenlets.

**What others record.** ``without_tokens`` returns text, bytes or nested values without tokens: for error reports, local
variables and log entries.

**Log brokers.** ``unmarked`` hands out a batch in which no message has baggage, as a whole. For any other,
``verdict_or_refusal`` and ``Sorted`` sort ``Incoming`` messages, which are handed out as ``Handling``. ``Policies`` say
where a ``RefusedMessage`` goes (a ``Policy``: ``OnRefused``, ``Park`` or ``"raise"``). ``Offsets`` say how far each
partition (a ``Place``) is done; a client event has the offset ``NOWHERE``. ``verbatim`` and ``is_verbatim`` are for
dead letters, which keep the headers that they came with.

**Settings.** ``instrumented`` returns the products that are instrumented, and ``internal_hosts`` the hosts that take
part. ``table_in_file`` returns a table of ``synthetic.toml`` that only one command needs, and ``duration`` reads a time
such as ``10m``.
"""

from synthetic._admission.decision import AS_REAL, Admitted, Refused
from synthetic._admission.entrance import Entrance
from synthetic._admission.log_brokers import (
    Handling,
    Incoming,
    OnRefused,
    Park,
    Policies,
    Policy,
    RefusedMessage,
    Sorted,
    is_verbatim,
    unmarked,
    verbatim,
    verdict_or_refusal,
)
from synthetic._admission.messages import AdmittedMessage, await_under, under, verdict_on, verdict_on_values
from synthetic._admission.offsets import NOWHERE, Offsets, Place
from synthetic._admission.problem import (
    ACKNOWLEDGEMENT,
    SIMULATED,
    SIMULATED_CACHE_CONTROL,
    Problem,
    is_cache_header,
    problem_of,
    refusal_of,
)
from synthetic._config.configuration import OnMissing, OnUnverified
from synthetic._config.readers import duration
from synthetic._config.sources import table_in_file
from synthetic._egress.departure import Within, beside_message, depart, directly, dispatch, internal_hosts, takes_part
from synthetic._egress.failure import go_on_after
from synthetic._egress.headers import outgoing, outgoing_pairs
from synthetic._egress.injected import forget_injected, is_injected
from synthetic._egress.recorded import without_tokens
from synthetic._guards.targets import DefaultGuard
from synthetic._instrument.imports import LatePatches
from synthetic._instrument.injections import noting_injections
from synthetic._instrument.instrument import Integration, instrumented
from synthetic._instrument.patches import IsOn, Patch, Patches, always_on
from synthetic._model.reason import Reason
from synthetic._model.verdict import REAL, Real, Received, Simulated, Unverified, Verdict
from synthetic._wire.carrier import BAGGAGE, Carrier, baggage_in, is_baggage
from synthetic._work.callbacks import Callback, callback_of
from synthetic._work.carry import Carried
from synthetic._work.claimed import claimed_by, has_marker
from synthetic._work.greenlets import carry_into, is_pool_thread
from synthetic._work.jobs import job_of
from synthetic._work.state import VERDICT, Entered, current_verdict, enter, leave, marked_verdict, without_verdict
from synthetic._work.workers import is_worker

__all__ = [
    "ACKNOWLEDGEMENT",
    "AS_REAL",
    "BAGGAGE",
    "NOWHERE",
    "REAL",
    "SIMULATED",
    "SIMULATED_CACHE_CONTROL",
    "VERDICT",
    "Admitted",
    "AdmittedMessage",
    "Callback",
    "Carried",
    "Carrier",
    "DefaultGuard",
    "Entered",
    "Entrance",
    "Handling",
    "Incoming",
    "Integration",
    "IsOn",
    "LatePatches",
    "Offsets",
    "OnMissing",
    "OnRefused",
    "OnUnverified",
    "Park",
    "Patch",
    "Patches",
    "Place",
    "Policies",
    "Policy",
    "Problem",
    "Real",
    "Reason",
    "Received",
    "Refused",
    "RefusedMessage",
    "Simulated",
    "Sorted",
    "Unverified",
    "Verdict",
    "Within",
    "always_on",
    "await_under",
    "baggage_in",
    "beside_message",
    "callback_of",
    "carry_into",
    "claimed_by",
    "current_verdict",
    "depart",
    "directly",
    "dispatch",
    "duration",
    "enter",
    "forget_injected",
    "go_on_after",
    "has_marker",
    "instrumented",
    "internal_hosts",
    "is_baggage",
    "is_cache_header",
    "is_injected",
    "is_pool_thread",
    "is_verbatim",
    "is_worker",
    "job_of",
    "leave",
    "marked_verdict",
    "noting_injections",
    "outgoing",
    "outgoing_pairs",
    "problem_of",
    "refusal_of",
    "table_in_file",
    "takes_part",
    "under",
    "unmarked",
    "verbatim",
    "verdict_on",
    "verdict_on_values",
    "verdict_or_refusal",
    "without_tokens",
    "without_verdict",
]
