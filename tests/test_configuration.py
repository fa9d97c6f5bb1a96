"""Settings: their sources, the precedence of the sources, and the errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import synthetic
from synthetic._config.configuration import Configuration
from synthetic._config.in_force import active
from synthetic.errors import ConfigurationError
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.support.keys import shared_key
from tests.support.servers import wait_until


class Setting(NamedTuple):
    """A setting: one value per source, and the result from each source and from none."""

    name: str
    argument: Any
    variable: str
    file: str
    read: Callable[[Configuration], Any]
    expected: tuple[Any, Any, Any, Any]


ONE, TWO, THREE = shared_key("one"), shared_key("two"), shared_key("three")


def key_ids(config: Configuration) -> Any:
    keys = config.keys.current()
    return None if keys is None else list(keys.by_id)


def value(name: str) -> Callable[[Configuration], Any]:
    return lambda config: getattr(config, name)


SETTINGS = [
    Setting("keys", ONE, json.dumps(TWO), f"'{json.dumps(THREE)}'", key_ids, (["one"], ["two"], ["three"], None)),
    Setting(
        "policy",
        {"payment": "allow"},
        "policy.toml",
        '{payment = "refuse"}',
        lambda config: config.policy.get("payment"),
        ("allow", "skip", "refuse", None),
    ),
    Setting("service", "one", "two", '"three"', value("service"), ("one", "two", "three", None)),
    Setting("environment", "one", "two", '"three"', value("environment"), ("one", "two", "three", "default")),
    Setting(
        "internal_hosts",
        ["a.example"],
        "b.example, c.example",
        '["d.example"]',
        lambda config: [host for host in ("a.example", "b.example", "c.example", "d.example", "localhost")
                        if host in config.internal_hosts],
        (["a.example"], ["b.example", "c.example"], ["d.example"], ["localhost"]),
    ),
    Setting("edge", False, "no", "false", value("edge"), (False, False, False, True)),
    Setting(
        "on_unverified", "strip", "strip", '"strip"', value("on_unverified"), ("strip", "strip", "strip", "refuse")
    ),
    Setting("on_missing", "refuse", "refuse", '"refuse"', value("on_missing"), ("refuse", "refuse", "refuse", "real")),
    Setting(
        "halt",
        ["one"],
        "two,other",
        '"three"',
        lambda config: [run for run in ("one", "two", "other", "three") if config.is_halted(run)],
        (["one"], ["two", "other"], ["three"], []),
    ),
    Setting(
        "halt_file",
        "one.halt",
        "two.halt",
        '"three.halt"',
        lambda config: [run for run in ("one", "two", "three") if config.is_halted(run)],
        (["one"], ["two"], ["three"], []),
    ),
    Setting("lifetime", 60, "2m", '"1h"', value("lifetime"), (60, 120, 3600, 600)),
    Setting(
        "uninstrumented", "admit", "refuse", '"admit"', value("uninstrumented"), ("admit", "refuse", "admit", "refuse")
    ),
    Setting("workers", ["a.b"], "c, d", '["e"]', value("workers"), (("a.b",), ("c", "d"), ("e",), ())),
    Setting("remembered_tokens", 5000, "6000", "7000", value("remembered_tokens"), (5000, 6000, 7000, 16_384)),
    Setting("retention", "1d", "0", "3600.5", value("retention"), (86_400, 0, 3600.5, 604_800)),
    Setting("key", "one", "two", '"three"', value("key"), ("one", "two", "three", "synthetic-traffic")),
    Setting("issuer", "one", "two", '"three"', value("issuer"), ("one", "two", "three", "synthetic-traffic")),
    Setting(
        "attribute",
        "synthetic.type",
        "a.b",
        '"c"',
        value("attribute"),
        ("synthetic.type", "a.b", "c", "user_agent.synthetic.type"),
    ),
    Setting("undeclared", "refuse", "refuse", '"refuse"', value("undeclared"), ("refuse", "refuse", "refuse", "real")),
    Setting("shed", "auto", "auto", '"auto"', value("shed"), ("auto", "auto", "auto", None)),
    Setting("shed_limit", 2, "3", "4", value("shed_limit"), (2, 3, 4, 1)),
    Setting("metrics_run", True, "yes", "true", value("metrics_run"), (True, True, True, False)),
]  # fmt: skip

by_name = pytest.mark.parametrize("setting", SETTINGS, ids=[setting.name for setting in SETTINGS])


@pytest.fixture(autouse=True)
def _files() -> None:
    Path("policy.toml").write_text("".join(f'[{name}]\npayment = "skip"\n' for name in ("default", "one", "two")))
    for name in ("one", "two", "three"):
        Path(f"{name}.halt").write_text(f"{name}\n")


def write(text: str, path: str = "synthetic.toml") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def configure(**settings: Any) -> Configuration:
    synthetic.configure(**settings)
    return active()


@by_name
def test_arguments_win_over_variables_and_variables_over_the_file(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stripping needs keys, wherever they come from.
    others = {} if setting.name == "keys" else {"keys": ONE}
    of_argument, of_variable, of_file, default = setting.expected
    assert setting.read(configure(**others)) == default
    write(f"{setting.name} = {setting.file}\n")
    assert setting.read(configure(**others)) == of_file
    monkeypatch.setenv(f"SYNTHETIC_{setting.name.upper()}", setting.variable)
    assert setting.read(configure(**others)) == of_variable
    assert setting.read(configure(**{**others, setting.name: setting.argument})) == of_argument
    monkeypatch.delenv(f"SYNTHETIC_{setting.name.upper()}")
    assert setting.read(configure(**{**others, setting.name: setting.argument})) == of_argument


def test_every_setting_is_tested_above() -> None:
    assert {setting.name for setting in SETTINGS} | {"ready", "clock"} == set(Configuration.__annotations__)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    write('service = "rides"\n')
    monkeypatch.setenv("SYNTHETIC_SERVICE", "")
    assert configure().service == "rides"


def test_synthetic_config_replaces_the_file_in_the_working_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write('service = "here"\nissuer = "here"\n')
    write('service = "there"\n', "elsewhere/settings.toml")
    monkeypatch.setenv("SYNTHETIC_CONFIG", "elsewhere/settings.toml")
    assert (configure().service, active().issuer) == ("there", "synthetic-traffic")


def test_parent_folders_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    write('service = "above"\n')
    Path("below").mkdir()
    monkeypatch.chdir("below")
    assert configure().service is None


def test_paths_in_the_file_start_at_its_folder_and_others_at_the_working_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write('keys = "keys.json"\npolicy = "policies.toml"\nhalt_file = "halted"\n', "elsewhere/synthetic.toml")
    write(json.dumps(ONE), "elsewhere/keys.json")
    write('[default]\npayment = "refuse"\n', "elsewhere/policies.toml")
    write("all", "elsewhere/halted")
    monkeypatch.setenv("SYNTHETIC_CONFIG", "elsewhere/synthetic.toml")
    config = configure()
    assert (key_ids(config), config.policy.get("payment"), config.is_halted("any")) == (["one"], "refuse", True)
    write(json.dumps(TWO), "keys.json")
    assert key_ids(configure(keys="keys.json")) == ["two"]
    monkeypatch.setenv("SYNTHETIC_KEYS", "keys.json")
    assert key_ids(configure()) == ["two"]
    assert key_ids(configure(keys=Path("elsewhere/keys.json"))) == ["one"]


def test_a_relative_path_survives_a_change_of_the_working_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("elsewhere").mkdir()
    config = configure(halt_file="halted")
    halted = Path("halted").absolute()
    monkeypatch.chdir("elsewhere")
    assert not config.is_halted("rush-hour")
    halted.write_text("rush-hour")
    wait_until(lambda: config.is_halted("rush-hour"))


# name, argument, text of the variable (or None), what the message says
WRONG: list[tuple[str, Any, str | None, str]] = [
    ("keys", {"keys": 1}, '{"keys": 1}', 'no "keys" list; make one with: synthetic-traffic'),
    ("keys", 42, "no-such-file", "not a JWKS; give a dict|nor the path of a readable file: No such file"),
    ("policy", {"payment": "deny"}, None, "the actions are allow, divert, refuse, skip, substitute"),
    ("service", "a\nb", "a\nb", "a value that works: 'rides'"),
    ("environment", "two words", "two words", "a value that works: 'staging'"),
    ("internal_hosts", ["http://payments"], "http://payments", r"'http://payments' is not a host name\. .*'payments'"),
    ("internal_hosts", [1], None, r"a value that works: \['payments', 'analytics'\]"),
    ("edge", "perhaps", "perhaps", "'perhaps' is not one of: 1, true, yes, on, 0, false, no, off"),
    ("on_unverified", "ignore", "ignore", "'ignore' is not one of: refuse, strip"),
    ("on_missing", "ignore", "ignore", "'ignore' is not one of: real, refuse"),
    ("halt", [1], None, "is not a list of names"),
    *(("halt", wrong, wrong, "values? that works?: 'all'") for wrong in ("*", "true", "1", "yes", "on", "Yes", "TRUE")),
    ("halt", ["rush-hour", "*"], "rush-hour,*", r"'\*' is not .*values? that works?: 'all'"),
    ("halt", "rush/hour", "rush/hour", "'rush/hour' is not .*values? that works?: 'all'"),
    ("halt", "x" * 65, "x" * 65, "values? that works?: 'all'"),
    ("lifetime", "soon", "soon", "'soon' is not a duration; values that work: 600, '10m', '7d'"),
    ("lifetime", 0, "0", "is not between 2 and 86400 seconds"),
    ("lifetime", "25h", "25h", "'25h' is not between 2 and 86400 seconds"),
    ("lifetime", float("nan"), None, "is not between"),
    ("lifetime", True, None, "True is not a duration"),
    ("retention", -1, "-1", "is not (between 0 and|a duration)"),
    ("key", "a b", "a b", "a value that works: 'synthetic-traffic'"),
    ("issuer", "größe", "größe", "a value that works: 'synthetic-traffic'"),
    ("attribute", "", ".a", "a value that works: 'synthetic.type'"),
    ("ready", 1, None, "is not callable"),
    ("shed", True, None, "True is not 'auto'; pass a function in code"),
    ("shed", "on", "on", "'on' is not 'auto'"),
    ("shed_limit", 0, None, "a value that works: 1"),
    ("undeclared", "ask", None, "is not one of: real, refuse"),
    ("clock", 1.5, None, "is not callable"),
]


@pytest.mark.parametrize(("name", "argument", "variable", "message"), WRONG)
def test_the_error_for_a_wrong_value_names_setting_source_and_an_example(
    monkeypatch: pytest.MonkeyPatch, name: str, argument: Any, variable: str | None, message: str
) -> None:
    before = active()
    with pytest.raises(ConfigurationError, match=message) as raised:
        synthetic.configure(**{name: argument})
    assert str(raised.value).startswith(f"{name} (from the argument {name}=): ")
    assert (raised.value.setting, raised.value.source) == (name, f"the argument {name}=")
    if variable is not None:
        monkeypatch.setenv(f"SYNTHETIC_{name.upper()}", variable)
        with pytest.raises(ConfigurationError, match=message) as raised:
            synthetic.configure()
        assert str(raised.value).startswith(f"{name} (from the variable SYNTHETIC_{name.upper()}): ")
    assert active() is before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lifetime = true", "True is not a duration"),
        ('edge = "perhaps"', "is not one of"),
        ("service = 7", "7 does not match"),
        ("halt = 7", "is not a list of names"),
        ("halt_file = 7", "7 is not the path of a file"),
        ('halt_file = "."', "cannot be read"),
        ("on_missing = []", r"\[\] is not one of: real, refuse"),
    ],
)
def test_a_wrong_value_in_the_file_names_the_file(line: str, message: str) -> None:
    write(f"{line}\n")
    name = line.partition(" ")[0]
    with pytest.raises(ConfigurationError, match=message) as raised:
        synthetic.configure()
    assert str(raised.value).startswith(f"{name} (from {name} in synthetic.toml): ")


def test_an_unknown_setting_in_the_file_is_an_error_with_a_suggestion() -> None:
    write('environmnt = "staging"\n')
    with pytest.raises(
        ConfigurationError, match=r"synthetic\.toml: there is no setting 'environmnt'; did you mean 'env"
    ):
        synthetic.configure()
    write("colour = 1\n")
    with pytest.raises(ConfigurationError, match="no setting 'colour'; the settings are attribute, clock, edge, "):
        synthetic.configure()


@pytest.mark.parametrize("name", ["ready", "clock"])
def test_settings_that_only_an_argument_can_give_are_errors_in_the_file(name: str) -> None:
    write(f"{name} = 1\n")
    with pytest.raises(
        ConfigurationError, match=rf"^{name} \(from {name} in synthetic\.toml\): the value is not callable"
    ):
        synthetic.configure()


def test_an_unknown_variable_is_a_warning_with_a_suggestion(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SYNTHETIC_ENVIRONMNET", "staging")
    synthetic.configure()
    assert caplog.messages == [
        "the variable SYNTHETIC_ENVIRONMNET is not read: there is no setting 'SYNTHETIC_ENVIRONMNET'; "
        "did you mean 'SYNTHETIC_ENVIRONMENT'?"
    ]


def test_the_error_for_an_unusable_file_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("service = rides\n")
    with pytest.raises(
        ConfigurationError, match=r"from the working directory\): synthetic\.toml is not TOML: .*line 1"
    ):
        synthetic.configure()
    monkeypatch.setenv("SYNTHETIC_CONFIG", "no-such.toml")
    with pytest.raises(ConfigurationError, match=r"variable SYNTHETIC_CONFIG\): no-such\.toml cannot be read: No such"):
        synthetic.configure()
    Path("folder").mkdir()
    monkeypatch.setenv("SYNTHETIC_CONFIG", "folder")
    with pytest.raises(ConfigurationError, match="folder cannot be read"):
        synthetic.configure()


def test_stripping_without_keys_is_an_error_wherever_it_is_set() -> None:
    def app(*call: Any) -> Any:
        raise AssertionError("it is never called")

    with pytest.raises(ConfigurationError, match=r"on_unverified='strip' needs keys.* SYNTHETIC_KEYS"):
        synthetic.configure(on_unverified="strip")
    with pytest.raises(ConfigurationError, match="on_unverified='strip' needs keys"):
        SyntheticTrafficMiddleware(app, on_unverified="strip")
    with synthetic.configured(keys=ONE, on_unverified="strip"):
        assert active().on_unverified == "strip"


CAPTURE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_{}_REQUEST"
SANITIZE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"


@pytest.mark.parametrize("side", ["SERVER", "CLIENT"])
@pytest.mark.parametrize("pattern", ["baggage", "Baggage", ".*", "content-type, bag.*", "x-(,.*"])
def test_header_capture_that_would_record_the_token_warns(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, side: str, pattern: str
) -> None:
    monkeypatch.setenv(CAPTURE.format(side), pattern)
    synthetic.configure()
    assert caplog.messages == [
        f"{CAPTURE.format(side)} records the baggage header, and with it the token, on spans. "
        f"Add baggage to {SANITIZE}."
    ]
    caplog.clear()
    monkeypatch.setenv(SANITIZE, "authorization,baggage")
    synthetic.configure()
    assert caplog.messages == []


@pytest.mark.parametrize("pattern", ["content-type", "", "baggage-other", "x-(", "(?:bag|gage)"])
def test_header_capture_of_other_headers_does_not_warn(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, pattern: str
) -> None:
    monkeypatch.setenv(CAPTURE.format("SERVER"), pattern)
    with caplog.at_level(logging.DEBUG, logger="synthetic"):
        synthetic.configure()
    assert caplog.messages == []


def test_keys_without_an_environment_log_one_warning(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic._config.advice._given", set())
    synthetic.configure()
    synthetic.configure(keys=keys, environment="default")
    monkeypatch.setenv("SYNTHETIC_ENVIRONMENT", "staging")
    synthetic.configure(keys=keys)
    assert "environment is not set" not in caplog.text
    monkeypatch.delenv("SYNTHETIC_ENVIRONMENT")
    for _ in range(2):
        synthetic.configure(keys=keys)
    assert caplog.text.count("environment is not set") == 1
    assert "SYNTHETIC_ENVIRONMENT" in caplog.text
