"""Sentry in a program of the tests."""

from __future__ import annotations

from importlib import import_module


def switch_on(integration: str | None = None) -> None:
    """Switch Sentry on, with an integration such as ``"rq.RqIntegration"``; its events go nowhere."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: object) -> None:
            pass

    integrations = []
    if integration is not None:
        module, _, name = integration.partition(".")
        integrations.append(getattr(import_module(f"sentry_sdk.integrations.{module}"), name)())
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Nowhere, integrations=integrations
    )


def init() -> None:
    """Switch Sentry on, without an integration."""
    switch_on()
