"""What a request says in its headers, and whether it may say so (RFC 9113, section 8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from mixer.transport.http2.frames import Header, Reason, StreamFault

ENTRY_OVERHEAD: Final = 32
"""What a header counts in a table, or a list, beside its bytes."""

_PSEUDO: Final = frozenset([b":method", b":scheme", b":path", b":authority"])
_REQUIRED: Final = (b":method", b":scheme", b":path")
_READ: Final = _PSEUDO | {b"content-length", b"content-type", b"grpc-encoding", b"grpc-timeout"}
"""What a gRPC server reads; all others may say what they like, as far as it is allowed."""

_OF_THE_CONNECTION: Final = frozenset(
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"]
)
_NAME: Final = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+")

Said: TypeAlias = tuple[Header | str | None, ...]
"""What the headers of a request say, in order (see `Field.says`)."""


class Field(msgspec.Struct, frozen=True):
    """A header, and what was found out about it when it came."""

    name: bytes
    value: bytes
    size: int
    """What it counts in a table of headers, or a list."""

    says: Header | str | None
    """The header, if it is read here; what is wrong with it, if anything is."""


class Request(msgspec.Struct, frozen=True, eq=False):
    """The head of a request that keeps to the rules."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    """Those that are read and no pseudo-headers; if a name comes twice, its values are joined."""

    content_length: int | None
    is_streamed: bool = False
    """Whether its body is wanted in parts, as it comes."""


def looked_at(name: bytes, value: bytes) -> Field:
    """A header, whether or not it is right."""
    wrong = _wrong_name(name)
    if not wrong and not _is_value(value):
        wrong = f"{name[:40]!r} with a value, a header that none may be"
    elif name == b"te" and value.lower() == b"trailers":
        wrong = ""
    says = wrong or ((name, value) if name in _READ else None)
    return Field(name, value, len(name) + len(value) + ENTRY_OVERHEAD, says)


@lru_cache(maxsize=64)
def _wrong_name(name: bytes) -> str:
    """What is wrong with all headers, or almost all, of a name."""
    if not _NAME.fullmatch(name):
        return f"{name[:40]!r}, a header that none may be"
    if name.startswith(b":") and name not in _PSEUDO:
        return f"{name.decode()} is unknown"
    is_special = name in _OF_THE_CONNECTION or name == b"te"
    return f"{name.decode()} is not for HTTP/2" if is_special else ""


def _is_value(value: bytes) -> bool:
    """Whether a header may say so (RFC 9113, section 8.2.1)."""
    return value.translate(None, b"\0\r\n") == value == value.strip(b" \t")


def never(path: bytes) -> bool:
    """All requests are wanted whole."""
    return False


def request(headers: Said, is_streamed: Callable[[bytes], bool] = never) -> Request:
    """Read the head of a request. Raises StreamFault where it breaks the rules."""
    pseudo: dict[bytes, bytes] = {}
    plain: dict[bytes, bytes] = {}
    has_plain = False
    for said in headers:
        if isinstance(said, str):
            raise _malformed(said)
        if said is None or said[0] not in _PSEUDO:
            has_plain = True
        elif has_plain or said[0] in pseudo:
            raise _malformed(f"{said[0].decode()} twice, or after other headers")
        if said is not None:
            name, value = said
            found = plain if has_plain else pseudo
            found[name] = found[name] + b", " + value if name in found else value
    if not all(pseudo.get(name) for name in _REQUIRED):
        raise _malformed(":method, :scheme and :path are required")
    length = plain.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) < 20):
        raise _malformed("content-length is no number")
    path = pseudo[b":path"]
    size = None if length is None else int(length)
    return Request(pseudo[b":method"], path, plain, size, is_streamed(path))


def trailers(fields: Iterable[Field]) -> None:
    """Check the headers that end a request. Raises StreamFault where they break the rules."""
    for name, value in ((field.name, field.value) for field in fields if field.says):
        if name.startswith(b":") or not _NAME.fullmatch(name) or not _is_value(value):
            raise _malformed(f"a trailer named {name[:40]!r}")


def _malformed(text: str) -> StreamFault:
    return StreamFault(Reason.PROTOCOL_ERROR, f"malformed request: {text}")
