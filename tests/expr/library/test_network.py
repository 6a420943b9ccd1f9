"""Which texts are addresses and networks, and what octets of both families are."""

from __future__ import annotations

import pytest

from attributes import parse_ip
from mixer.expr.types import BOOL, INT, IP, NETWORK, STRING
from tests.expr.library.overloads import outcome, overload


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.1", True),
        ("::1", True),
        ("2001:db8::1", True),
        ("2001:db8:0::1", False),
        ("2001:DB8::1", False),
    ],
)
def test_an_address_has_one_canonical_form(text: str, canonical: bool) -> None:
    assert outcome("isIP", (STRING,), text) is True
    assert outcome("ip.isCanonical", (STRING,), text) is canonical


@pytest.mark.parametrize(
    "text", ["", "10.0.0", "10.0.0.01", "::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.1/8", " ::1"]
)
def test_other_texts_are_no_addresses(text: str) -> None:
    assert outcome("isIP", (STRING,), text) is False
    assert str(outcome("ip.isCanonical", (STRING,), text)).startswith(f"error: {text!r} is no")


@pytest.mark.parametrize(
    "text",
    [
        "", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/٨",
        "10.0.0.0/255.0.0.0", "::/129", "::ffff:10.0.0.0/104", "fe80::1%eth0/64",
        "10.0.0.0/" + "9" * 5000,
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_other_texts_are_no_networks(text: str) -> None:
    assert outcome("isCIDR", (STRING,), text) is False
    assert str(outcome("cidr", (STRING,), text)).startswith(f"error: {text!r} is no network")


@pytest.mark.parametrize(
    ("text", "address", "masked", "length"),
    [
        ("10.1.2.3/8", "10.1.2.3", "10.0.0.0/8", 8),
        ("10.1.2.3/32", "10.1.2.3", "10.1.2.3/32", 32),
        ("0.0.0.0/0", "0.0.0.0", "0.0.0.0/0", 0),
        ("2001:db8::1/32", "2001:db8::1", "2001:db8::/32", 32),
    ],
)
def test_a_network_remembers_its_address(text: str, address: str, masked: str, length: int) -> None:
    network = outcome("cidr", (STRING,), text)
    string = overload("string", NETWORK)
    assert overload("ip", NETWORK).call(network) == parse_ip(address)
    assert string.call(network) == text
    assert string.call(overload("masked", NETWORK).call(network)) == masked
    assert overload("prefixLength", NETWORK).call(network) == length


@pytest.mark.parametrize(
    ("network", "other", "contains"),
    [
        ("10.1.2.3/8", "10.0.0.0/8", True),
        ("10.0.0.0/8", "10.255.255.255/32", True),
        ("10.0.0.0/8", "10.0.0.0/7", False),
        ("10.0.0.0/8", "11.0.0.0/8", False),
        ("0.0.0.0/0", "::/0", False),
        ("::/0", "0.0.0.0/0", False),
    ],
)
def test_a_network_contains_another(network: str, other: str, contains: bool) -> None:
    outer, inner = (outcome("cidr", (STRING,), text) for text in (network, other))
    assert outcome("containsCIDR", (NETWORK, NETWORK), outer, inner) is contains
    assert outcome("containsCIDR", (NETWORK, STRING), outer, other) is contains
    if other.endswith("/32"):
        address = other.removesuffix("/32")
        assert outcome("containsIP", (NETWORK, STRING), outer, address) is contains
        assert outcome("containsIP", (NETWORK, IP), outer, parse_ip(address)) is contains
        assert outcome("containsIP", (NETWORK, IP), outer, parse_ip(address)[12:]) is contains


PROPERTIES = (
    "isUnspecified", "isLoopback", "isLinkLocalMulticast", "isLinkLocalUnicast", "isGlobalUnicast",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "family", "claims"),
    [
        ("0.0.0.0", 4, {"isUnspecified"}),
        ("127.8.8.8", 4, {"isLoopback"}),
        ("224.0.0.251", 4, {"isLinkLocalMulticast"}),
        ("224.0.1.1", 4, set()),
        ("169.254.9.9", 4, {"isLinkLocalUnicast"}),
        ("255.255.255.255", 4, set()),
        ("192.168.0.1", 4, {"isGlobalUnicast"}),
        ("::", 6, {"isUnspecified"}),
        ("::1", 6, {"isLoopback"}),
        ("ff02::1", 6, {"isLinkLocalMulticast"}),
        ("ff12::1", 6, {"isLinkLocalMulticast"}),
        ("ff05::1", 6, set()),
        ("fe80::1", 6, {"isLinkLocalUnicast"}),
        ("fc00::1", 6, {"isGlobalUnicast"}),
    ],
)
def test_an_address_is_this_and_nothing_else(text: str, family: int, claims: set[str]) -> None:
    octets = parse_ip(text)
    assert outcome("family", (IP,), octets) == family
    assert {name for name in PROPERTIES if outcome(name, (IP,), octets)} == claims


@pytest.mark.parametrize("octets", [b"", b"123"])
@pytest.mark.parametrize("name", ["family", *PROPERTIES])
def test_no_address_has_no_properties(name: str, octets: bytes) -> None:
    assert overload(name, IP).result in (BOOL, INT)
    found = f"error: an address has 4 or 16 octets, not {len(octets)}"
    assert outcome(name, (IP,), octets) == found
