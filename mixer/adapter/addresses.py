"""Addresses of back ends, and of the ends of calls."""

from __future__ import annotations

NOWHERE = (b"", bytes(4), bytes(16))
"""IP addresses that are of nobody: none, and the unspecified ones."""


def host_port(text: str, *, host: str = "", any_port: bool = False) -> tuple[str, int]:
    """
    Host and port of HOST:PORT; an IPv6 address stands in brackets. Raises ValueError.

    Where there is a default *host*, it may be left out. Port 0 is one only with *any_port*.
    """
    said, colon, port = text.strip().rpartition(":")
    least = 0 if any_port else 1
    if not ((said or host) and colon and port.isdecimal() and least <= int(port) < 65536):
        raise ValueError(f"{text.strip()!r} is not HOST:PORT")
    return said.removeprefix("[").removesuffix("]") or host, int(port)
