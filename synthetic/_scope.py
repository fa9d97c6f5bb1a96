"""``simulated()`` and ``real()``: verdicts that the code itself declares, for a block or a function."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar, cast

from synthetic._config import Configuration, active
from synthetic._kinds import kind_of
from synthetic._marker import Kind, Marker
from synthetic._nesting import pop, push
from synthetic._verdict import REAL, Simulated, Verdict, current_verdict
from synthetic.errors import ConfigurationError

if TYPE_CHECKING:
    from synthetic._keys import Keys

__all__ = ["Issued", "Scope", "done", "headers", "real", "simulated"]

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound="Marker | None", covariant=True)


class Scope(Generic[M]):
    """A verdict to put in force: in a ``with`` block, or for each call of a function that it decorates."""

    def __init__(self, marker: M, verdict: Callable[[], Verdict | None]) -> None:
        self._marker = marker
        self._verdict = verdict

    def __enter__(self) -> M:
        push(self, self._verdict())
        return self._marker

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pop(self)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function or a coroutine function."""
        kind = kind_of(function)
        if kind not in ("function", "coroutine"):
            article = "an" if kind.startswith("async") else "a"
            raise TypeError(
                f"{_name(function)} is {article} {kind}: a verdict held across a yield would reach whoever "
                "consumes it. Use a with block around each step of its work."
            )
        if kind == "coroutine":
            coroutine_function = cast("Callable[P, Awaitable[Any]]", function)

            @functools.wraps(function)
            async def asynchronous(*args: P.args, **kwargs: P.kwargs) -> Any:
                with Scope(self._marker, self._verdict):
                    return await coroutine_function(*args, **kwargs)

            return cast("Callable[P, R]", asynchronous)

        @functools.wraps(function)
        def synchronous(*args: P.args, **kwargs: P.kwargs) -> R:
            with Scope(self._marker, self._verdict):
                return done(function(*args, **kwargs), function)

        return synchronous


def done(result: R, function: Callable[..., R]) -> R:
    """Return the result of a function under a verdict. TypeError where its work is still to come: out of the scope."""
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        if inspect.iscoroutine(result) or inspect.isgenerator(result):
            result.close()
        raise TypeError(
            f"{_name(function)} returns a {type(result).__name__}, whose work would run outside of the scope "
            "that decorates it. Decorate the coroutine function itself, or use a with block."
        )
    return result


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def simulated(
    *, run: str, kind: Kind = "simulation", actor: str | None = None, scenario: str | None = None
) -> Scope[Marker]:
    """Declare that the work in a ``with`` block, or in the decorated function, is simulated.

    A token is signed with the last key that can sign, at most once per (run, kind, actor, scenario) and half its
    lifetime, and goes along with every call to a host that takes part. ``with simulated(...) as marker`` gives the
    marker. Names are 1 to 64 characters of ``[A-Za-z0-9._:-]``, without personal data; ValueError otherwise. On
    entering, ConfigurationError where no key can sign.
    """
    marker = Marker(run, kind, actor, scenario)
    return Scope(marker, lambda: Issued(marker))


def real() -> Scope[None]:
    """Declare that the work in a ``with`` block, or in the decorated function, is real.

    For what only happens to run here: a heartbeat, a pool refresh, the refresh of an access token.
    """
    return Scope(None, lambda: REAL)


def headers() -> dict[str, str]:
    """Return the headers that carry the current marker, ``{"baggage": ...}``; ``{}`` for real work.

    For any client that no integration covers; send them only to services that take part. Raises UnverifiedMarker where
    the work carries a marker that does not verify.
    """
    verdict = current_verdict() or REAL
    if verdict.marker is None:
        return {}
    from synthetic._baggage import entry_of

    return {"baggage": entry_of(active().key, cast("Simulated", verdict).token())}


class Issued(Simulated):
    """Simulated work that began here: its token is signed anew at half its lifetime, by the process that began it."""

    __slots__ = ("_process", "_signed")

    def __init__(self, marker: Marker) -> None:
        super().__init__(marker)
        self._process = os.getpid()
        config = active()
        self._signed = _signed_token(marker, config, _signing_keys(config))

    def token(self) -> str:
        """Return the process's token for this marker, after signing a new one where that is due."""
        config = active()
        keys = config.keys.current()
        signed = self._signed
        if signed.config is config and signed.keys is keys and config.clock() < signed.renew_at:
            return signed.token
        if os.getpid() == self._process:
            self._signed = signed = _signed_token(self.marker, config, _signing_keys(config))
        return signed.token


class _Signed(NamedTuple):
    token: str
    renew_at: float
    keys: Keys
    config: Configuration

    def __repr__(self) -> str:
        return f"<token to renew at {self.renew_at:.0f}>"


def _signed_token(marker: Marker, config: Configuration, keys: Keys) -> _Signed:
    """The token of this process for a marker: all work of one actor shares it, and so what others verified."""
    from synthetic._token import sign

    now = config.clock()
    slot = (marker, config.issuer, config.environment, config.lifetime)
    token, renew_at = keys.signed.get(slot, ("", 0.0))
    if now >= renew_at:
        token, expires_at = sign(
            keys, marker, issuer=config.issuer, environment=config.environment, now=now, lifetime=config.lifetime
        )
        renew_at = (now + expires_at) / 2
        keys.signed.remember(slot, (token, renew_at))
    return _Signed(token, renew_at, keys, config)


def _signing_keys(config: Configuration) -> Keys:
    keys = config.keys.current()
    if keys is None or keys.signer is None:
        have = "no keys are configured" if keys is None else "the JWKS holds only public keys"
        raise ConfigurationError(
            f"cannot sign a marker: {have}. Simulated work starts where a private or shared key is: make one with "
            "'synthetic-traffic keygen' and pass it as keys=, SYNTHETIC_KEYS or keys in synthetic.toml.",
            setting="keys",
        )
    return keys
