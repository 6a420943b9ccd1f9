"""Bytes as text: base64 in the alphabet of RFC 4648, section 4."""

from __future__ import annotations

import base64
import binascii

from mixer.expr.overload import Overload, calls
from mixer.expr.types import BYTES, STRING
from mixer.expr.values import bounded_text


def encode(data: bytes) -> str:
    """*data* with padding."""
    return bounded_text(base64.b64encode(data).decode())


def decode(text: str) -> bytes:
    """The bytes of *text*, which may lack its padding."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"base64.decode: {error}") from None


OVERLOADS: tuple[Overload, ...] = (
    calls("base64.encode", encode, (BYTES,), STRING),
    calls("base64.decode", decode, (STRING,), BYTES),
)
