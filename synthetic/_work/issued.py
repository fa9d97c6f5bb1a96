"""Simulated work that began in this process, and the tokens that are signed for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from synthetic._config.configuration import Configuration
from synthetic._config.in_force import active
from synthetic._model.marker import Marker
from synthetic._model.verdict import Simulated
from synthetic.errors import ConfigurationError

if TYPE_CHECKING:
    from synthetic._wire.keys import Keys

__all__ = ["Issued"]


class Issued(Simulated):
    """The verdict on simulated work that began here. The process that began it signs again at half the lifetime."""

    __slots__ = ("_process", "_signed")

    def __init__(self, marker: Marker) -> None:
        super().__init__(marker)
        self._process = os.getpid()
        config = active()
        self._signed = _signed_token(marker, config, _signing_keys(config))

    def for_work(self) -> Issued:
        """Return a verdict with the same marker and token for another piece of work."""
        another = Issued.__new__(Issued)
        Simulated.__init__(another, self.marker, self.baggage)
        another._process, another._signed = self._process, self._signed
        return another

    def token(self) -> str:
        """Return the process's token for this marker, after signing a new one if that is due."""
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
    """Return this process's token for a marker. All work of one actor shares it, so each service verifies it once."""
    from synthetic._wire.token import sign

    now = config.clock()
    slot = (marker, config.issuer, config.environment, config.lifetime)
    token, renew_at = keys.signed.get(slot) or ("", 0.0)
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
            f"cannot sign a marker: {have}. Starting simulated work needs a private or shared key: make one with "
            "'synthetic-traffic keygen' and set it as keys=, SYNTHETIC_KEYS or keys in synthetic.toml.",
            setting="keys",
        )
    return keys
