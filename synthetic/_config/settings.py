"""The settings. Each is stated once: its type, its reader, its default, and what it is for.

Every list of settings comes from ``Settings``: the arguments of ``configure`` and ``configured``, the ``SYNTHETIC_*``
variables, the names in the TOML file, the options of ``opentelemetry-instrument``, and the table on the page
*Configuration*.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, TypedDict, get_args

from synthetic._config.advice import warn_about_environment
from synthetic._config.configuration import Configuration, OnMissing, OnUnverified, Undeclared, Uninstrumented
from synthetic._config.halts import halt_file, halted
from synthetic._config.hosts import HostRule
from synthetic._config.key_source import KeySource, load_keys
from synthetic._config.policy import Policy, load_policy
from synthetic._config.readers import Raw, choice, count, flag, function, modules, names, optional, seconds, text
from synthetic._config.recorders import warn_about_recorders
from synthetic._config.sources import Sources
from synthetic._wire.keys import VERIFIED
from synthetic._wire.token import LONGEST_LIFETIME
from synthetic.errors import ConfigurationError

# Not postponed: the annotations of Settings are read.
__all__ = ["BAGGAGE_KEY", "SETTINGS", "Setting", "Settings", "build", "check_names"]

BAGGAGE_KEY: Final = r"[A-Za-z0-9_.-]{1,64}"
"""What the setting ``key`` must match."""

_DAY: Final = 86_400


class Setting(NamedTuple):
    """The reader of one setting, its default, and one sentence on what it is for.

    ``read`` also gets the default. It raises ValueError for a value that cannot work.
    """

    read: Callable[[Raw], Any]
    default: object
    help: str

    @property
    def is_code(self) -> bool:
        """Whether only code can give the setting. It has no variable then."""
        return self.read in _IN_CODE


def _keys(raw: Raw) -> KeySource:
    return load_keys(raw.value, raw.base)


def _policy(raw: Raw) -> Policy:
    return load_policy(raw.value, raw.environment, raw.base)


def _hosts(raw: Raw) -> HostRule:
    return HostRule(None if raw.value is None else names(raw))


def _baggage_key(raw: Raw) -> str:
    if isinstance(raw.value, Path) or str(raw.value).endswith((".jwks", ".json")):
        raise ValueError(f"{str(raw.value)!r} is a file name, but key is the baggage key. Did you mean keys?")
    return text(BAGGAGE_KEY, "synthetic-traffic")(raw)


def _shed(raw: Raw) -> Any:
    if raw.value is None or raw.value == "auto" or callable(raw.value):
        return raw.value
    raise ValueError(f"{raw.value!r} is not 'auto'; pass a function in code, as in configure(shed=function)")


_optional_function: Final = optional(function)
_IN_CODE: Final = (function, _optional_function)


class Settings(TypedDict, total=False):
    """The arguments of ``configure`` and ``configured``."""

    keys: Annotated[
        Mapping[str, Any] | str | Path | None,
        Setting(
            _keys,
            None,
            "the keys: a JWKS as a dict, as JSON text, or as the path of a file, which is read again when it changes",
        ),
    ]
    policy: Annotated[
        Mapping[str, Any] | str | Path | None,
        Setting(
            _policy,
            None,
            "the policy: effect → action, as a dict, as one such dict per environment, or as the path of a TOML file "
            "with one table per environment",
        ),
    ]
    service: Annotated[
        str | None,
        Setting(
            optional(text(r"[^\x00-\x1f\x7f]{1,255}", "rides")),
            None,
            "the name of this service, which every outcome records",
        ),
    ]
    environment: Annotated[
        str | None,
        Setting(
            text(r"[A-Za-z0-9._:-]{1,64}", "staging"),
            "default",
            "the environment: a token must name it, and it chooses the policy table",
        ),
    ]
    internal_hosts: Annotated[
        Iterable[str] | None,
        Setting(
            _hosts,
            None,
            "the hosts that the marker may be sent to; by default loopback, names of one label, and names under "
            "`.svc`, `.cluster.local`, `.internal`, `.local` and `.localhost`",
        ),
    ]
    edge: Annotated[
        bool | None,
        Setting(
            flag,
            True,
            "whether other callers than your own services can reach this service",
        ),
    ]
    on_unverified: Annotated[
        OnUnverified | None,
        Setting(
            choice("refuse", "strip"),
            "refuse",
            "`refuse`, or `strip` to remove an entry that is not even a token of this library",
        ),
    ]
    on_missing: Annotated[
        OnMissing | None,
        Setting(
            choice("real", "refuse"), "real", "`real`, or `refuse` to refuse a request or message without a marker"
        ),
    ]
    uninstrumented: Annotated[
        Uninstrumented | None,
        Setting(
            choice("refuse", "admit"),
            "refuse",
            "what to do with simulated work if the process has not called `instrument()`: `refuse`, or `admit` for a "
            "service that calls, sends and starts nothing",
        ),
    ]
    undeclared: Annotated[
        Undeclared | None,
        Setting(
            choice("real", "refuse"),
            "real",
            "what to do with calls and messages of work that is neither simulated nor declared real: `real` sends "
            "them, `refuse` is for a process that only simulates",
        ),
    ]
    halt: Annotated[Iterable[str] | str | None, Setting(halted, (), "the names of runs to refuse, or `all`")]
    halt_file: Annotated[
        str | Path | None,
        Setting(
            optional(halt_file),
            None,
            "the path of a file with the names of runs to refuse, in force within a second of a change",
        ),
    ]
    lifetime: Annotated[
        float | str | None,
        Setting(
            seconds(2, LONGEST_LIFETIME),
            "10m",
            "the lifetime of a token that is signed here: 2 seconds to 24 hours",
        ),
    ]
    retention: Annotated[
        float | str | None,
        Setting(
            seconds(0, 365 * _DAY),
            "7d",
            "how long an expired token is accepted in messages, and in requests if `edge` is false",
        ),
    ]
    workers: Annotated[
        Iterable[str] | str | None,
        Setting(
            modules,
            (),
            "modules and packages whose threads and processes live on and serve everybody: they start undecided",
        ),
    ]
    remembered_tokens: Annotated[
        int | str | None,
        Setting(
            count(1024, 10_000_000),
            VERIFIED,
            "how many tokens are remembered as verified, because each actor has its own; 1,000 take about 1 MB",
        ),
    ]
    key: Annotated[str | None, Setting(_baggage_key, "synthetic-traffic", "the key of the baggage entry")]
    issuer: Annotated[
        str | None,
        Setting(
            text(r"[\x21-\x7e]{1,128}", "synthetic-traffic"), "synthetic-traffic", "the issuer (`iss`) of every token"
        ),
    ]
    attribute: Annotated[
        str | None,
        Setting(
            text(r"[A-Za-z][\w.-]{0,127}", "synthetic.type"),
            "user_agent.synthetic.type",
            "the name of the attribute on spans and log records",
        ),
    ]
    metrics_run: Annotated[
        bool | None,
        Setting(
            flag,
            False,
            "whether metrics have the run as an attribute; each run is then a time series of its own",
        ),
    ]
    ready: Annotated[
        Callable[[], bool] | None,
        Setting(
            _optional_function,
            None,
            "a function; while it returns false, simulated requests are answered with 429",
        ),
    ]
    shed: Annotated[
        Callable[[], bool] | Literal["auto"] | None,
        Setting(
            _shed,
            None,
            "`auto`, so that simulated work never takes the room of real users; or a function: while it returns true, "
            "simulated requests are answered with 429",
        ),
    ]
    shed_limit: Annotated[
        int | str | None,
        Setting(
            count(1, 100_000),
            1,
            "with `shed` set to `auto`: how many simulated requests and messages each process handles at a time",
        ),
    ]
    clock: Annotated[
        Callable[[], float] | None, Setting(function, time.time, "a function that returns the seconds since the epoch")
    ]


SETTINGS: Final[Mapping[str, Setting]] = {
    name: get_args(annotation)[1] for name, annotation in Settings.__annotations__.items()
}


def check_names(given: Mapping[str, object], of: str) -> None:
    """Raise TypeError for an unknown setting. ``of`` is the function that was called with it."""
    for name in given:
        if name not in SETTINGS:
            raise TypeError(f"{of}() has no setting {name!r}; the settings are {', '.join(SETTINGS)}")


def build(arguments: Mapping[str, object]) -> Configuration:
    """Return the configuration that the sources give. Raises ConfigurationError."""
    sources = Sources(arguments, tuple(SETTINGS))
    environment = _value(sources, "environment", "")  # first: it chooses the policy
    values = {name: _value(sources, name, environment) for name in SETTINGS}
    values["keys"].remember(values["remembered_tokens"])
    warn_about_recorders()
    built = Configuration(**values)
    if sources.raw("environment", None, "").value is None and built.keys.current() is not None:
        warn_about_environment(built.environment)
    return built


def _value(sources: Sources, name: str, environment: str) -> Any:
    setting = SETTINGS[name]
    raw = sources.raw(name, setting.default, environment)
    try:
        return setting.read(raw)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name} (from {raw.source}): {error}", setting=name, source=raw.source) from None
    except ValueError as error:
        raise ConfigurationError(f"{name} (from {raw.source}): {error}", setting=name, source=raw.source) from error
