"""What mutual TLS says of who is at an end of a connection."""

from __future__ import annotations

import re
from functools import lru_cache

from attributes import parse_ip

_SPIFFE = "spiffe://"
_WORKLOAD = re.compile(r"[^/]+/ns/([^/]+)/sa/([^/]+)")
_HOST = re.compile(r"([^.]+)\.([^.]+)\.svc(?:\..*)?")


def principal(said: str) -> str | None:
    """The name of an identity as Mixer's rules have it, without ``spiffe://``."""
    return said.removeprefix(_SPIFFE) or None


@lru_cache(maxsize=1024)
def namespace(said: str) -> str | None:
    """The namespace of a workload's SPIFFE identity, ``spiffe://DOMAIN/ns/NS/sa/ACCOUNT``."""
    found = _WORKLOAD.fullmatch(said.removeprefix(_SPIFFE))
    return found[1] if found else None


@lru_cache(maxsize=1024)
def service_account(said: str) -> str | None:
    """Its service account."""
    found = _WORKLOAD.fullmatch(said.removeprefix(_SPIFFE))
    return found[2] if found else None


@lru_cache(maxsize=1024)
def service(host: str) -> tuple[str, str] | None:
    """Name and namespace of the service that has a *host* ``NAME.NS.svc...``."""
    found = _HOST.fullmatch(host)
    return (found[1], found[2]) if found else None


@lru_cache(maxsize=1024)
def address(text: str) -> bytes | None:
    """The address that a *text* says, None where it says none."""
    try:
        return parse_ip(text)
    except ValueError:
        return None
