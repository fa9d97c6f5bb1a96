"""Replacing a configuration: as a whole, for a block, in all threads, and by a changed file."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

import synthetic
from synthetic import EffectRefused, guard, simulated
from synthetic._config.in_force import active
from synthetic.errors import ConfigurationError
from synthetic.ledger import recorded
from tests.support.servers import wait_until
from tests.test_configuration import ONE, TWO, configure, key_ids, write


@guard("payment")
def charge() -> str:
    return "charged"


def test_configure_replaces_all_settings_even_after_guards_exist() -> None:
    synthetic.configure(keys=ONE, service="rides", policy={"payment": "allow"})
    with simulated(run="rush-hour"):
        assert charge() == "charged"
        synthetic.configure(keys=ONE)
        assert charge() is None
    assert active().service is None


def test_a_failed_configure_keeps_the_previous_configuration() -> None:
    before = configure(keys=ONE, service="rides")
    with pytest.raises(ConfigurationError):
        synthetic.configure(keys=ONE, service="payments", lifetime=-1)
    assert active() is before


def test_configured_changes_some_settings_for_a_block() -> None:
    before = configure(keys=ONE, service="rides", environment="staging")
    with synthetic.configured(service="payments"):
        assert (active().service, active().environment, key_ids(active())) == ("payments", "staging", ["one"])
        with synthetic.configured(environment="production", keys=None):
            assert (active().service, active().environment, key_ids(active())) == ("payments", "production", None)
        assert active().environment == "staging"
    assert active() is before


def test_configured_always_restores_the_previous_configuration() -> None:
    before = configure(keys=ONE, service="rides")
    with pytest.raises(ConfigurationError), synthetic.configured(service="payments"):
        synthetic.configure(service="others", lifetime=-1)
    assert active() is before
    with synthetic.configured(service="payments"):
        synthetic.configure(service="others")
    assert active() is before
    with pytest.raises(ConfigurationError), synthetic.configured(lifetime=-1):
        raise AssertionError("it is never entered")
    assert active() is before


def test_configured_applies_to_all_threads() -> None:
    seen: list[Any] = []
    with synthetic.configured(service="payments"):
        thread = threading.Thread(target=lambda: seen.append(active().service))
        thread.start()
        thread.join()
    assert seen == ["payments"]


def test_configured_rejects_an_unknown_setting() -> None:
    message = r"configured\(\) has no setting 'colour'; the settings are keys, policy,"
    with pytest.raises(TypeError, match=message), synthetic.configured(colour="red"):
        raise AssertionError("it is never entered")


def test_the_configuration_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        active().service = "other"  # type: ignore[misc]


def test_threads_never_see_a_mixture_of_two_configurations() -> None:
    one = {"keys": ONE, "service": "one", "policy": {"payment": "allow"}}
    two = {"keys": ONE, "service": "two", "policy": {"payment": "refuse"}}
    synthetic.configure(**one)  # type: ignore[arg-type]
    is_over = threading.Event()

    def work() -> None:
        with simulated(run="rush-hour"):
            while not is_over.is_set():
                try:
                    charge()
                except EffectRefused:
                    continue

    threads = [threading.Thread(target=work) for _ in range(3)]
    with recorded() as outcomes:
        for thread in threads:
            thread.start()
        for number in range(200):
            synthetic.configure(**(two, one)[number % 2])  # type: ignore[arg-type]
        wait_until(lambda: len({outcome.service for outcome in outcomes}) == 2 or synthetic.configure(**two))  # type: ignore[arg-type, func-returns-value]
        is_over.set()
        for thread in threads:
            thread.join()
    assert {(outcome.service, str(outcome.action)) for outcome in outcomes} == {("one", "allow"), ("two", "refuse")}


def test_a_broken_key_file_keeps_the_old_keys_and_logs_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    write(json.dumps(ONE), "keys.json")
    config = configure(keys="keys.json")
    secret = TWO["keys"][0]["k"]
    write(json.dumps(TWO)[:-1], "keys.json")
    wait_until(lambda: key_ids(config) == ["one"] and bool(caplog.messages))
    assert "changed and is invalid; its previous content stays active" in caplog.text
    assert secret not in caplog.text
    # A file of the same size written at the same moment would look unchanged.
    time.sleep(0.01)
    write(json.dumps(TWO), "keys.json")
    wait_until(lambda: key_ids(config) == ["two"])
