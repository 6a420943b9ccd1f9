"""Addresses and networks: what Kubernetes' CEL library has, on the mixer's IP_ADDRESS."""

from __future__ import annotations

import ipaddress
import re
from typing import TypeAlias

from attributes import parse_ip
from mixer.expr.overload import Overload, calls, calls_method
from mixer.expr.types import BOOL, INT, IP, NETWORK, STRING
from mixer.expr.values import Network

_LENGTH = re.compile(r"[0-9]{1,3}")
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(octets: bytes) -> Address:
    """The address in 4 or 16 octets; the mapped form of IPv4 is IPv4."""
    if len(octets) not in (4, 16):
        raise ValueError(f"an address has 4 or 16 octets, not {len(octets)}")
    found = ipaddress.ip_address(octets)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _read_address(text: str) -> Address:
    """The address that *text* writes; one with a zone, or mapped, is refused as Kubernetes does."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is no address") from None
    if "%" in text or (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped):
        raise ValueError(f"{text!r} is no address without zone and mapping")
    return found


def is_ip(text: str) -> bool:
    """Whether *text* writes an address."""
    try:
        _read_address(text)
    except ValueError:
        return False
    return True


def is_canonical(text: str) -> bool:
    """Whether an address is written in its one canonical form."""
    return str(_read_address(text)) == text


def cidr(text: str) -> Network:
    """A network such as 10.0.0.0/8; bits of the host are kept."""
    address, slash, length = text.partition("/")
    if not slash or not _LENGTH.fullmatch(length) or "%" in address:
        raise ValueError(f"{text!r} is no network such as '10.0.0.0/8'")
    if length != str(int(length)):
        raise ValueError(f"{text!r} is no network: the length has a leading zero")
    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"{text!r} is no network such as '10.0.0.0/8'") from None
    if isinstance(found, ipaddress.IPv6Interface) and found.ip.ipv4_mapped:
        raise ValueError(f"{text!r} is no network: IPv4 in its mapped form")
    return found


def is_cidr(text: str) -> bool:
    """Whether *text* writes a network."""
    try:
        cidr(text)
    except ValueError:
        return False
    return True


def _holds(network: Network, address: Address) -> bool:
    return address.version == network.version and address in network.network


def contains_ip(network: Network, octets: bytes) -> bool:
    """Whether the address is in *network*."""
    return _holds(network, _address(octets))


def contains_ip_text(network: Network, text: str) -> bool:
    """Whether the address that *text* writes is in *network*."""
    return _holds(network, _read_address(text))


def contains_cidr(network: Network, other: Network) -> bool:
    """Whether all of *other* is in *network*."""
    longer = other.network.prefixlen >= network.network.prefixlen
    return longer and _holds(network, other.network.network_address)


def contains_cidr_text(network: Network, text: str) -> bool:
    """Whether all of the network that *text* writes is in *network*."""
    return contains_cidr(network, cidr(text))


def host(network: Network) -> bytes:
    """The address that was written, in 16 octets."""
    return parse_ip(str(network.ip))


def masked(network: Network) -> Network:
    """The network without bits of the host."""
    return ipaddress.ip_interface(str(network.network))


def prefix_length(network: Network) -> int:
    """How many bits all addresses of the network have in common."""
    return network.network.prefixlen


def network_text(network: Network) -> str:
    """The network as it is written."""
    return str(network)


def family(octets: bytes) -> int:
    """4 or 6."""
    return _address(octets).version


def is_unspecified(octets: bytes) -> bool:
    """Whether it is 0.0.0.0 or ::."""
    return _address(octets).is_unspecified


def is_loopback(octets: bytes) -> bool:
    """Whether it is of 127.0.0.0/8 or ::1."""
    return _address(octets).is_loopback


def is_link_local_multicast(octets: bytes) -> bool:
    """Whether it is of 224.0.0.0/24 or ff02::/16 (any flags)."""
    found = _address(octets)
    if isinstance(found, ipaddress.IPv4Address):
        return found.packed[:3] == b"\xe0\x00\x00"
    return found.packed[0] == 0xFF and found.packed[1] & 0x0F == 2


def is_link_local_unicast(octets: bytes) -> bool:
    """Whether it is of 169.254.0.0/16 or fe80::/10."""
    found = _address(octets)
    return found.is_link_local and not found.is_multicast


def is_global_unicast(octets: bytes) -> bool:
    """Whether it names one host that is not this one or its link; private addresses are too."""
    found = _address(octets)
    is_other = found.is_unspecified or found.is_loopback or found.is_multicast
    is_broadcast = found.packed == b"\xff\xff\xff\xff"
    return not (is_other or is_broadcast or is_link_local_unicast(octets))


OVERLOADS: tuple[Overload, ...] = (
    calls("isIP", is_ip, (STRING,), BOOL, fails=False, heavy=False),
    calls("ip.isCanonical", is_canonical, (STRING,), BOOL, heavy=False),
    calls("cidr", cidr, (STRING,), NETWORK, heavy=False),
    calls("isCIDR", is_cidr, (STRING,), BOOL, fails=False, heavy=False),
    calls("string", network_text, (NETWORK,), STRING, fails=False, heavy=False),
    *(calls_method(name, python, (NETWORK, other), BOOL, heavy=False) for name, python, other in (
        ("containsIP", contains_ip, IP),
        ("containsIP", contains_ip_text, STRING),
        ("containsCIDR", contains_cidr, NETWORK),
        ("containsCIDR", contains_cidr_text, STRING),
    )),
    calls_method("ip", host, (NETWORK,), IP, fails=False, heavy=False),
    calls_method("masked", masked, (NETWORK,), NETWORK, fails=False, heavy=False),
    calls_method("prefixLength", prefix_length, (NETWORK,), INT, fails=False, heavy=False),
    calls_method("family", family, (IP,), INT, heavy=False),
    *(calls_method(name, python, (IP,), BOOL, heavy=False) for name, python in (
        ("isUnspecified", is_unspecified),
        ("isLoopback", is_loopback),
        ("isLinkLocalMulticast", is_link_local_multicast),
        ("isLinkLocalUnicast", is_link_local_unicast),
        ("isGlobalUnicast", is_global_unicast),
    )),
)  # fmt: skip
