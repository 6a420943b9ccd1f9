"""
What a plain YAML scalar means: YAML 1.2's core schema.

What YAML 1.1 read otherwise (``yes``, ``012``, ``12:30:45``, ``1_000``) is a trap: tools still
disagree on it, so where its type matters it is refused, with the spellings that all read alike.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Plain: TypeAlias = str | int | float | bool | None

_WORDS: dict[str, Plain] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_YES, _NO = ("y", "yes", "on"), ("n", "no", "off")
_TRAP_WORDS = {
    form: meaning
    for words, meaning in ((_YES, "true"), (_NO, "false"))
    for word in words
    for form in (word, word.capitalize(), word.upper())
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_DECIMAL = re.compile(r"[+-]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[+-]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][+-]?[0-9]+)?")
_SPECIAL = re.compile(r"[+-]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_OCTAL = re.compile(r"[+-]?0[0-9_]+")
_SEXAGESIMAL = re.compile(r"[+-]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_GROUPED = re.compile(r"[+-]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?")
_DIGITS = 4_000
"""Longer whole numbers are no numbers here: reading them costs quadratic time."""


def resolve(text: str) -> Plain:
    """Give the value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > _DIGITS:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def trap(text: str) -> tuple[str, str] | None:
    """Say why a plain scalar is read differently by YAML 1.1 and 1.2, and what to write."""
    if meaning := _TRAP_WORDS.get(text):
        return (
            f"{text!r} is the boolean {meaning} to some YAML readers and a text to others",
            f"write {meaning} for the boolean, '{text}' in quotes for the text",
        )
    if not text or text[0] not in _NUMBER_STARTS:
        return None
    if _OCTAL.fullmatch(text):
        plain = text.lstrip("+-0_") or "0"
        return (
            f"{text!r} is an octal number to some YAML readers and a decimal one to others",
            f"write {plain} for the number, '{text}' in quotes for the text",
        )
    if _SEXAGESIMAL.fullmatch(text):
        return (
            f"{text!r} is a number to base 60 to some YAML readers and a text to others",
            f"write '{text}' in quotes for the text",
        )
    if _GROUPED.fullmatch(text):
        return (
            f"{text!r} is a number to some YAML readers and a text to others",
            f"write {text.replace('_', '')} for the number, '{text}' in quotes for the text",
        )
    return None
