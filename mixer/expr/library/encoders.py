"""Bytes as text: base64 in the alphabet of RFC 4648, section 4."""

from __future__ import annotations

import base64

from mixer.expr.overload import Overload, calls
from mixer.expr.types import BYTES, STRING
from mixer.expr.values import MAX_SIZE


def encode(data: bytes) -> str:
    """*data* with padding."""
    if (len(data) + 2) // 3 * 4 > MAX_SIZE:
        raise ValueError(f"base64.encode: the text has more than {MAX_SIZE} characters")
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """The bytes of *text*, which may lack its padding, but only all of it."""
    text = text.replace("\r", "").replace("\n", "")  # as Go does: encoders break their lines
    missing = -len(text) % 4
    try:
        if missing and text.endswith("="):
            raise ValueError("Incorrect padding")
        return base64.b64decode(text + "=" * missing, validate=True)
    except ValueError as error:  # binascii.Error, or a character beyond ASCII
        raise ValueError(f"base64.decode: {error}") from None


OVERLOADS: tuple[Overload, ...] = (
    calls("base64.encode", encode, (BYTES,), STRING),
    calls("base64.decode", decode, (STRING,), BYTES),
)
