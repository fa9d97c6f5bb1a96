"""``synthetic-traffic doctor``: which installed libraries carry the marker, what prevents it, and what to do."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, distributions, entry_points, requires, version
from importlib.util import find_spec
from typing import Any, Final

from synthetic._cli.admitting import examine_application
from synthetic._cli.application import load
from synthetic._cli.findings import Finding
from synthetic._cli.guarded import examine_guards, examine_policy
from synthetic._cli.printed import say, unlogged
from synthetic._config.in_force import active, configured
from synthetic._config.recorders import recorders
from synthetic._config.settings import SETTINGS
from synthetic._config.sources import Sources, file_in_use, for_a_shell, strange_variables
from synthetic._instrument.coverage import (
    BY_HAND,
    CARRIED_JOBS,
    COVERED,
    LOSING_LINES,
    MODULES_BY_HAND,
)
from synthetic._instrument.instrument import GROUP, PRODUCTS, is_absent
from synthetic._model.action import Action
from synthetic.errors import ConfigurationError

__all__ = ["doctor", "examine"]

_DISTRIBUTION: Final = "synthetic-traffic"
_OLDEST = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?.*?>=\s*([0-9][0-9.]*)")


def doctor(options: argparse.Namespace) -> int:
    """Run the command; return its exit code: 1 if there is something to fix."""
    with unlogged():  # findings are printed
        app = load(options.app) if options.app else None
        given = {name: getattr(options, name) for name in ("keys", "environment", "issuer")}
        findings = list(examine(options.app, app, **given))
    if options.json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        _print(findings)
        if not options.app:
            say("not checked: the application; name it with --app module:app")
        to_fix = sum(finding.level == "fix" for finding in findings)
        say(f"{to_fix} to fix" if to_fix else "nothing to fix")
    return int(any(finding.level == "fix" for finding in findings))


def _print(findings: list[Finding]) -> None:
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            say(f"{section}:")
        say(f"  {finding.level:<4}  {finding.subject}: {finding.text}")
    print()


def examine(name: str | None = None, app: Any = None, **given: str | None) -> Iterator[Finding]:
    """Yield the findings on the current environment: settings, libraries, OpenTelemetry, other SDKs.

    ``app`` is the application that was imported as ``name``, if any. ``given`` are settings: they override what the
    application, variables and file say.
    """
    with ExitStack() as until_examined:
        is_configured = yield from _configured(given, until_examined)
        if is_configured:
            yield from _settings()
        if name is not None:
            yield from examine_application(name, app)
            if is_configured:
                yield from examine_guards(active())
                yield from examine_policy(active())
        yield from _libraries()
        yield from _integrations()
        yield from _opentelemetry()
        yield from _others()


def _configured(given: dict[str, str | None], until_examined: ExitStack) -> Generator[Finding, None, bool]:
    """Put the settings in force; return whether that was possible."""
    for variable, advice in strange_variables(tuple(SETTINGS)):
        yield Finding("settings", "fix", variable, f"is not read: {advice}")
    settings: Any = {name: value for name, value in given.items() if value is not None}
    try:
        until_examined.enter_context(configured(**settings))
    except ConfigurationError as error:
        yield Finding("settings", "fix", "configuration", for_a_shell(str(error)))
        return False
    return True


def _settings() -> Iterator[Finding]:
    section = "settings"
    config = active()
    file = file_in_use()
    if file is not None:
        yield Finding(section, "ok", "file", f"settings are read from {file.absolute()}")
    keys = config.keys.current()
    if keys is None:
        yield Finding(
            section, "fix", "keys", "none are set, so every marker is refused: set SYNTHETIC_KEYS, or pass --keys"
        )
    else:
        signs = "can verify and sign" if keys.signer else "can verify, but not sign"
        yield Finding(section, "ok", "keys", f"{', '.join(map(repr, keys.by_id))}: {signs}")
    yield from _environment(config.environment)
    if config.is_halted(""):
        yield Finding(section, "note", "halt", "every run is halted: all simulated requests are refused")
    if config.internal_hosts.is_everything:
        yield Finding(
            section, "note", "internal_hosts", "every host takes part, so the token is sent to every host that you call"
        )
    if config.policy.get("external-call") is Action.ALLOW:
        yield Finding(section, "note", "external-call", "allowed, so simulated work really calls external hosts")


def _environment(in_force: str) -> Iterator[Finding]:
    is_default = in_force == SETTINGS["environment"].default
    if is_default and Sources({}, tuple(SETTINGS)).raw("environment", None, "").value is None:
        text = f"not set, so it is {in_force!r}, as for all others that leave it out: set SYNTHETIC_ENVIRONMENT"
        yield Finding("settings", "note", "environment", text)
    else:
        yield Finding("settings", "ok", "environment", repr(in_force))


def _libraries() -> Iterator[Finding]:
    oldest = _oldest_versions()
    for extra, coverage in COVERED.items():
        found = _installed(coverage.distribution)
        if found is None:
            continue
        least = oldest.get(coverage.distribution, "")
        tested = f"tested {least} to {coverage.newest}" if least else f"tested up to {coverage.newest}"
        subject = f"{coverage.distribution} {found}"
        if least and _key(found) < _key(least):
            yield Finding("libraries", "fix", subject, f"older than the oldest version tested: {_upgrade(extra)}")
        elif _key(found) > _key(coverage.newest):
            yield Finding("libraries", "note", subject, f"{coverage.how}; newer than any tested version ({tested})")
        else:
            yield Finding("libraries", "ok", subject, f"{coverage.how}; {tested}")
    yield from _by_hand()
    python = ".".join(map(str, sys.version_info[:3]))
    how = 'synthetic.instrument("concurrency", "http-client", "logging")'
    yield Finding("libraries", "ok", f"Python {python}", f"threads, pools, processes, http.client, logging: {how}")
    if getattr(sys.flags, "thread_inherit_context", 0):
        yield Finding(
            "libraries",
            "note",
            "thread_inherit_context",
            "new threads inherit the verdict, worker threads too: call instrument('concurrency')",
        )


def _by_hand() -> Iterator[Finding]:
    for distribution, advice in BY_HAND.items():
        found = _installed(distribution)
        if found is None:
            continue
        subject = f"{distribution} {found}"
        if distribution in CARRIED_JOBS:
            yield Finding("libraries", "ok", subject, advice)
        else:
            is_server = distribution in LOSING_LINES
            yield Finding("libraries", "note", subject, advice if is_server else f"not covered: {advice}")
    for module, advice in MODULES_BY_HAND.items():
        if _has_module(module):
            yield Finding("libraries", "note", module, f"not covered: {advice}")


def _integrations() -> Iterator[Finding]:
    """Yield third-party integrations, and integrations that fail to load although their product is installed."""
    products = {point.name: point.value for point in entry_points(group=PRODUCTS)}
    for point in sorted(entry_points(group=GROUP)):
        yield from _load(point.name, point.load, products.get(point.name), _origin(point))
    for extra, coverage in COVERED.items():
        if coverage.module and _installed(coverage.distribution) is not None:
            yield from _load(extra, partial(import_module, coverage.module), coverage.distribution)


def _origin(point: EntryPoint) -> str | None:
    """The distribution and version of a third-party integration; None for one of this project."""
    found = point.dist
    return None if found is None or found.name == _DISTRIBUTION else f"{found.name} {found.version}"


def _load(name: str, load: Callable[[], object], product: str | None, origin: str | None = None) -> Iterator[Finding]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load()
    except Exception as error:  # an import may raise anything
        if not is_absent(error, product):
            said = " ".join(str(error).split())
            text = f"its integration cannot be loaded, so it carries no marker: {type(error).__name__}: {said}"
            yield Finding("integrations", "fix", name, text)
    else:
        if origin is not None:
            yield Finding("integrations", "ok", name, f'synthetic.instrument("{name}"), from {origin}')


def _opentelemetry() -> Iterator[Finding]:
    section = "OpenTelemetry"
    named = os.environ.get("OTEL_PROPAGATORS")
    propagators = [name.strip() for name in named.split(",")] if named else ["tracecontext", "baggage"]
    subject = f"OTEL_PROPAGATORS={named}" if named else "propagators"
    if "baggage" not in propagators:
        text = "without baggage, OpenTelemetry's instrumentations carry no marker; add baggage,synthetic"
        yield Finding(section, "fix", subject, text)
    elif "synthetic" not in propagators and any(name.startswith(_INSTRUMENTATION) for name in _distributions()):
        text = "extracted markers are not verified; set OTEL_PROPAGATORS=tracecontext,baggage,synthetic"
        yield Finding(section, "note", subject, f"{text}, or use opentelemetry-instrument")
    elif "synthetic" in propagators and propagators.index("synthetic") < propagators.index("baggage"):
        yield Finding(section, "fix", subject, "forged markers pass; put synthetic after baggage")
    elif "synthetic" in propagators:
        yield Finding(section, "ok", subject, "baggage is carried, and verified when it is extracted")
    disabled = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    if {"synthetic", "*"} & {name.strip() for name in disabled.split(",")}:
        subject = f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={disabled}"
        yield Finding(section, "note", subject, "opentelemetry-instrument skips this library; call instrument()")
    for recorder in recorders():
        yield Finding(section, "fix", recorder, "records tokens on spans; add baggage to its ..._SANITIZE_FIELDS")
    for point in entry_points(group="opentelemetry_distro"):
        if point.value.partition(":")[0].partition(".")[0] != "opentelemetry":
            text = "sets up OpenTelemetry itself; check that its propagators include baggage"
            yield Finding(section, "note", f"distribution {point.name}", text)


_WRITE_BAGGAGE: Final = {
    "sentry-sdk": "with tracing on, it writes its own baggage header, to which instrument() adds the marker once; call "
    "synthetic.instrument() with sentry, or its events show tokens",
    "ddtrace": "its propagation may include baggage and rewrite the header; call synthetic.instrument() after it",
    "logfire": "it replaces OpenTelemetry's propagators; check that baggage is among them",
    "elastic-apm": "it propagates trace headers itself; call synthetic.instrument() after it",
    "newrelic": "it patches the same clients; call synthetic.instrument() after its agent has started",
}


def _others() -> Iterator[Finding]:
    for distribution, text in _WRITE_BAGGAGE.items():
        found = _installed(distribution)
        if found is not None:
            yield Finding("other SDKs", "note", f"{distribution} {found}", text)


_INSTRUMENTATION: Final = "opentelemetry-instrumentation-"


def _distributions() -> Iterator[str]:
    return (str(found.metadata["Name"] or "").lower() for found in distributions())


def _installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _has_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False


def _oldest_versions() -> dict[str, str]:
    found = (_OLDEST.match(requirement) for requirement in requires(_DISTRIBUTION) or ())
    return {match[1].lower(): match[2] for match in found if match}


def _upgrade(extra: str) -> str:
    return f'pip install --upgrade "{_DISTRIBUTION}[{extra}]"'


def _key(text: str) -> tuple[int, ...]:
    """Return a version as numbers to compare, up to the first part that is not a number."""
    numbers = [int(part) for part in re.findall(r"\d+", re.split(r"[^0-9.]", text.rpartition("!")[2])[0])]
    while numbers and not numbers[-1]:
        numbers.pop()  # 1.0 is 1.0.0
    return tuple(numbers)
