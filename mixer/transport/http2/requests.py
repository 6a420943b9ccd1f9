"""What a request says in its headers, and whether it may say so (RFC 9113, section 8)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from mixer.transport.http2.frames import Headers, Reason, StreamFault

_PSEUDO: Final = frozenset([b":method", b":scheme", b":path", b":authority"])
_REQUIRED: Final = (b":method", b":scheme", b":path")
_OF_THE_CONNECTION: Final = frozenset(
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"]
)
_NAME: Final = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE: Final = re.compile(rb"(?:[^\0\r\n \t](?:[^\0\r\n]*[^\0\r\n \t])?)?")


class Request(msgspec.Struct, frozen=True, eq=False):
    """The head of a request that keeps to the rules."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    """Those that are no pseudo-headers; of a name that comes twice the values are joined."""

    content_length: int | None


def request(headers: Headers) -> Request:
    """Read the head of a request. Raises StreamFault where it breaks the rules."""
    pseudo: dict[bytes, bytes] = {}
    plain: dict[bytes, bytes] = {}
    for name, value in headers:
        if wrong := _wrong(name, value):
            raise _malformed(wrong)
        if name in _PSEUDO:
            if plain or name in pseudo:
                raise _malformed(f"{name.decode()} twice, or after other headers")
            pseudo[name] = value
        else:
            plain[name] = plain[name] + b", " + value if name in plain else value
    if not all(pseudo.get(name) for name in _REQUIRED):
        raise _malformed(":method, :scheme and :path are required")
    length = plain.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) < 20):
        raise _malformed("content-length is no number")
    return Request(
        pseudo[b":method"], pseudo[b":path"], plain, None if length is None else int(length)
    )


@lru_cache(maxsize=256)
def _wrong(name: bytes, value: bytes) -> str:
    """What no header may be, and this one is; most were in the request before as well."""
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        return f"a header named {name[:40]!r} that no header may be"
    if name.startswith(b":") and name not in _PSEUDO:
        return f"{name.decode()} is unknown"
    if name in _OF_THE_CONNECTION or (name == b"te" and value.lower() != b"trailers"):
        return f"{name.decode()} is not for HTTP/2"
    return ""


def trailers(headers: Headers) -> None:
    """Check the headers that end a request. Raises StreamFault where they break the rules."""
    for name, value in headers:
        if name.startswith(b":") or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _malformed(f"a trailer named {name[:40]!r}")


def _malformed(text: str) -> StreamFault:
    return StreamFault(Reason.PROTOCOL_ERROR, f"malformed request: {text}")
