"""Which hosts take part: ``internal_hosts``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthetic
from synthetic._config.hosts import HostRule
from synthetic.errors import ConfigurationError

DEFAULT = HostRule()


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1",
        "127.8.9.10",
        "::1",
        "[::1]",
        "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
        "payments",
        "Payments",
        "pay_ments-2",
        "rides.default.svc",
        "rides.default.svc.cluster.local",
        "rides.corp.internal",
        "printer.local",
        "app.localhost",
        "app.localhost.",
    ],
)
def test_by_default_loopback_single_labels_and_private_suffixes_take_part(host: str) -> None:
    assert host in DEFAULT


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "example.com",
        "localhost.example.com",
        "svc.example.com",
        "evillocal.com",
        "xsvc.io",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0X7F.1",
        "127.1",
        "017700000001",
        "1.0x7f",
        "xn--80ak6aa92e.com",
        "pay ments",
        "pay\nments",
        "payments:8000",
        "user@payments",
        "payments\\@evil.example",
        "payments/evil",
        "\uff4cocalhost",
        "\u0661\u0662\u0667.\u0660.\u0660.\u0661",
        "p\u0430yments",
    ],
)
def test_by_default_other_names_and_odd_spellings_do_not_take_part(host: str) -> None:
    assert host not in DEFAULT


@pytest.mark.parametrize(
    ("entry", "host", "takes_part"),
    [
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.com.", True),
        ("Example.COM.", "example.com", True),
        ("example.com", "www.example.com", False),
        ("example.com", "notexample.com", False),
        (".example.com", "www.example.com", True),
        (".example.com", "a.b.EXAMPLE.com.", True),
        (".example.com", "example.com", False),
        (".example.com", "notexample.com", False),
        (".example.com", ".example.com", False),
        (".example.com", "www.example.com.evil.org", False),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.70", False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("10.0.0.0/8", "10.1", False),
        ("10.0.0.0/8", "167772161", False),
        ("10.0.0.0/8", "10.0.0.1.example.com", False),
        ("fd00::/8", "fd12:3456::1", True),
        ("fd00::/8", "[fd12:3456::1]", True),
        ("fd00::/8", "fe80::1", False),
        ("[::1]", "::1", True),
        ("::1", "127.0.0.1", False),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "bücher.example", False),
        ("payments", "rides", False),
        ("*", "anything.at.all", True),
        ("*", "2130706433", True),
    ],
)
def test_an_entry_matches_names_suffixes_addresses_and_networks(entry: str, host: str, takes_part: bool) -> None:
    assert (host in HostRule([entry])) is takes_part


_NO_HOST_NAMES = [
    "evil.example%2f.internal",
    "evil.example%00.internal",
    "evil.example\\.internal",
    "evil.example .internal",
    "evil.example/.internal",
    "evil.example#.internal",
    "evil.example:80.internal",
    "user@evil.example.internal",
    "evil.example,.internal",
    "evil.example\n.internal",
    "-.internal",
    "\x85localhost",
    " localhost ",
    "localhost\t",
    "boo\u212a.internal",
    "payments%2f",
]


@pytest.mark.parametrize("host", _NO_HOST_NAMES)
@pytest.mark.parametrize("hosts", [None, [".internal", "localhost", "payments"], ["*"]], ids=["default", "listed", "*"])
def test_what_is_not_a_host_name_never_takes_part(hosts: list[str] | None, host: str) -> None:
    assert host not in HostRule(hosts)


@pytest.mark.parametrize("host", ["example.com", "::1", "fe80::1%eth0", "10.0.0.1", "a_b.internal", "EXAMPLE.com.", ""])
def test_a_star_matches_every_host_name_and_address(host: str) -> None:
    assert host in HostRule(["*"])


def test_a_list_replaces_the_default_and_an_empty_list_matches_no_host() -> None:
    assert "localhost" not in HostRule(["payments"])
    assert "rides" not in HostRule(["payments"])
    assert "localhost" not in HostRule([])


@pytest.mark.parametrize(
    "entry",
    [
        "",
        ".",
        "http://payments",
        "payments:8000",
        "payments/path",
        "*.example.com",
        "a b",
        "-",
        "10.0.0.0/33",
        "user@host",
    ],
)
def test_an_entry_that_matches_no_host_is_an_error_with_an_example(entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"internal_hosts \(from the argument internal_hosts=\).*payments"):
        synthetic.configure(internal_hosts=[entry])


@pytest.mark.parametrize("entry", ["2130706433", "0x7f.1", "127.1"])
def test_a_numeric_spelling_of_an_address_is_an_error_as_an_entry(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="internal_hosts"):
        synthetic.configure(internal_hosts=[entry])


def test_hosts_come_from_the_environment_separated_by_commas_or_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    from synthetic._config.in_force import active

    monkeypatch.setenv("SYNTHETIC_INTERNAL_HOSTS", "payments, .corp.example 10.0.0.0/8")
    synthetic.configure()
    hosts = active().internal_hosts
    assert all(name in hosts for name in ("payments", "a.corp.example", "10.1.2.3"))
    assert "localhost" not in hosts


@given(st.text() | st.text("10./:[]@\\\\%xe").map("{}.example.com".format) | st.ip_addresses().map(str))
def test_only_listed_names_suffixes_and_networks_take_part(host: str) -> None:
    plain = host.strip().lower().removesuffix(".")
    listed = (
        plain in ("payments", "[payments]") or plain.endswith(".example.com") or plain.startswith(("10.", "::ffff:"))
    )
    assert listed or host not in HostRule(["payments", ".example.com", "10.0.0.0/8"])


def test_hosts_beyond_the_cache_size_are_still_matched_correctly() -> None:
    rule = HostRule([".example.com"])
    for _ in range(2):
        assert all(f"h{n}.example.com" in rule for n in range(5000))
        assert not any(f"h{n}.example.org" in rule for n in range(5000))
