"""
Tokens taken apart (RFC 7515, 7519). PyJWT checks signatures; what claims say is checked here, once
for each call, by the clock of the handler.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from mixer.adapter import Duration

MAX_BYTES = 16 * 1024
"""A longer token is none: it would not fit into headers."""

_SECOND = 1_000_000_000
_LAST = (1 << 63) // _SECOND


class BadToken(Exception):
    """A token that is not valid; the message says why, and nothing of what it says."""


class Claims(NamedTuple):
    """What a token says."""

    issuer: str
    subject: str
    key: str
    """The ``kid`` it is signed with; empty where it does not say."""

    algorithm: str
    audiences: frozenset[str]
    expires: int
    """Nanoseconds since 1970."""

    begins: int
    """The same for ``nbf``, 0 where it has none."""

    texts: Mapping[str, str]
    raw: str

    def check(self, audiences: Sequence[str], required: Sequence[str]) -> None:
        """Raise `BadToken` where it is for nobody of *audiences*, or lacks what is *required*."""
        if audiences and self.audiences.isdisjoint(audiences):
            raise BadToken("the token is for another audience")
        if missing := [name for name in required if name not in self.texts]:
            raise BadToken(f"the token lacks the claim {missing[0]!r}")

    def check_time(self, now: int, leeway: Duration) -> None:
        """Raise `BadToken` where it is not in force."""
        if now >= self.expires + leeway:
            raise BadToken("the token has expired")
        if now < self.begins - leeway:
            raise BadToken("the token is not in force yet")


def claims_of(token: str) -> Claims:
    """What a *token* says, proven by nothing yet. Raises `BadToken`."""
    if len(token) > MAX_BYTES:
        raise BadToken("the token is too long")
    library = _library()
    try:
        found = library.decode_complete(token, options={"verify_signature": False})
        header, payload = found["header"], found["payload"]
        if header.get("crit"):
            raise BadToken("the token has critical headers that are not known")  # RFC 7515, 4.1.11
        raw = json.dumps(payload, separators=(",", ":"), sort_keys=True)
    except (library.PyJWTError, ValueError, TypeError, RecursionError):
        raise BadToken("the token is malformed") from None
    audience = payload.get("aud", ())
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list | tuple):
        raise BadToken("the token is malformed")
    texts = {str(name): _text(value) for name, value in payload.items()}
    return Claims(
        _claim(payload, "iss"),
        _claim(payload, "sub"),
        _claim(header, "kid"),
        _claim(header, "alg"),
        frozenset(one for one in audiences if isinstance(one, str)),
        _time(payload, "exp"),
        _time(payload, "nbf", 0),
        MappingProxyType(texts),
        raw,
    )


def verified(token: str, key: Any, algorithm: str) -> bool:
    """Tell whether *token* is signed by *key*."""
    library = _library()
    try:
        library.PyJWS().decode(token, key, algorithms=[algorithm])
    except (library.PyJWTError, ValueError, TypeError):
        return False
    return True


@cache
def _library() -> Any:
    import jwt

    return jwt


def _claim(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name, "")
    if not isinstance(value, str):
        raise BadToken("the token is malformed")
    return value


def _time(payload: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = payload.get(name, default)
    if value is None:
        raise BadToken(f"the token lacks the claim {name!r}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LAST:
        raise BadToken("the token is malformed")
    return int(value * _SECOND)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
