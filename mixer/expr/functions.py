"""
The functions of expressions as plain Python (spec: expressions, functions and equality).

Law: pure; a wrong argument raises ValueError with the text that operators see.
"""

from __future__ import annotations

import email.errors
import email.headerregistry
import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import idna
import re2

from attributes import Duration, Timestamp, parse_ip

MAX_PATTERN = 4096
MAX_NAME = 253
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY = re.compile(r"//([^/?#]*)")
_SAFE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+,/:;=@!'()*?#[]%"
)


def match(text: str, pattern: str) -> bool:
    """Equality, or a prefix where *pattern* ends in ``*``, or a suffix where it begins so."""
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return text.endswith(pattern[1:])
    return text == pattern


@lru_cache(maxsize=1024)
def compile_regex(pattern: str) -> Any:
    """A compiled RE2 pattern; its time is linear in what it searches."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the regular expression is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0] if error.args else error
        why = why.decode(errors="replace") if isinstance(why, bytes) else why
        raise ValueError(f"{pattern!r} is no regular expression of RE2: {why}") from None


def to_lower(text: str) -> str:
    """Unicode lower case."""
    return text.lower()


def reverse(text: str) -> str:
    """The characters of *text* from last to first."""
    return text[::-1]


def ip(text: str) -> bytes:
    """An address as 16 bytes, IPv4 in mapped form."""
    return parse_ip(text)


def timestamp(text: str) -> Timestamp:
    """An RFC 3339 time."""
    try:
        return Timestamp.parse(text)
    except ValueError as error:
        raise ValueError(f"could not convert '{text}' to TIMESTAMP: {error}") from None


def parse_duration(text: str) -> Duration:
    """A duration in Go's text form."""
    return Duration.parse(text)


def dns_name(text: str) -> str:
    """A valid DNS name in its Unicode form; a trailing dot is allowed and kept."""
    return _labels(text, idna.decode) + ("." if text.endswith(".") else "")


def _labels(text: str, convert: Callable[[str], str]) -> str:
    """All labels of a name by *convert*, without trailing dot."""
    name = text.removesuffix(".")
    if not name or len(name) > MAX_NAME:
        raise ValueError(f"error converting '{text}' to dns name: it must have 1 to 253 characters")
    return ".".join(_label(label, text, convert) for label in name.split("."))


def _label(label: str, text: str, convert: Callable[[str], str]) -> str:
    """One label by *convert*, with strict rules: letters, digits and inner hyphens, bidi."""
    try:
        if label.isascii() and not label.lower().startswith("xn--"):
            if not re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", label) or label[2:4] == "--":
                raise ValueError("a label has letters, digits and inner hyphens")
            return label
        return convert(label.lower() if label.isascii() else label)
    except (ValueError, UnicodeError) as error:
        raise ValueError(f"error converting '{text}' to dns name: {error}") from None


@lru_cache(maxsize=1024)
def canonical_dns_name(text: str) -> str:
    """The form in which two DNS names are compared: ASCII, lower case, no trailing dot."""
    return _labels(text, lambda label: idna.encode(label, uts46=True).decode()).lower()


def same_dns_name(a: str, b: str) -> bool:
    """Whether two names are one for a resolver; raises ValueError where one is invalid."""
    return canonical_dns_name(a) == canonical_dns_name(b)


def _address(text: str) -> tuple[str, str]:
    """Local part and domain of an RFC 5322 address without display name."""
    why = "it is not of the form local@domain"
    try:
        if "<" in text or any(character in "\r\n\0" for character in text):
            raise ValueError(why)
        parsed = email.headerregistry.Address(addr_spec=text.strip(" "))
    except (ValueError, IndexError, email.errors.MessageError) as error:
        raise ValueError(f"error converting '{text}' to e-mail: {error or why}") from None
    if not parsed.username or not parsed.domain:
        raise ValueError(f"error converting '{text}' to e-mail: {why}")
    try:
        dns_name(parsed.domain)
    except ValueError as error:
        raise ValueError(f"error converting '{text}' to e-mail: {error}") from None
    return parsed.username, parsed.domain


def email_address(text: str) -> str:
    """*text*, which is a valid e-mail address."""
    _address(text)
    return text


def canonical_email(text: str) -> tuple[str, str]:
    """A form that is equal for addresses that are one: local part exactly, domain as DNS name."""
    local, domain = _address(text)
    return local, canonical_dns_name(domain)


def same_email(a: str, b: str) -> bool:
    """Whether two addresses are one; raises ValueError where one is invalid."""
    return canonical_email(a) == canonical_email(b)


def uri(text: str) -> str:
    """*text*, which is a URI or a reference as lax as Go takes them."""
    _uri(text)
    return text


def _uri(text: str) -> tuple[str, str, str, str]:
    """Scheme, host, port and rest of a URI, all as they compare."""
    if not text:
        raise ValueError("error converting string to uri: empty string")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError(f"error converting {text!r} to uri: it has a control character")
    found = _SCHEME.match(text)
    scheme, rest = (found[1].lower(), text[found.end() :]) if found else ("", text)
    if not found and rest.split("/")[0].startswith(":"):
        raise ValueError(f"error converting '{text}' to uri: the scheme is missing")
    if not found and ":" in rest.split("/")[0]:
        raise ValueError(
            f"error converting '{text}' to uri: the first part of a path can't have a colon"
        )
    if _BAD_ESCAPE.search(rest.partition("#")[0].partition("?")[0]):
        raise ValueError(f"error converting '{text}' to uri: it has an invalid escape")
    host = port = ""
    if authority := _AUTHORITY.match(rest):
        host, port = _host(authority[1], text)
        if scheme in ("http", "https"):
            rest = rest[authority.end() :]
    return scheme, host, port, _escaped(rest)


def _host(authority: str, text: str) -> tuple[str, str]:
    place = authority.rpartition("@")[2]
    host, _, port = place.rpartition(":") if re.search(r":[^\]]*$", place) else (place, "", "")
    if port and not (port.isascii() and port.isdigit()):
        raise ValueError(f"error converting '{text}' to uri: invalid port {port!r}")
    if " " in host:
        raise ValueError(f"error converting '{text}' to uri: invalid character in host name")
    return host, port


def _escaped(text: str) -> str:
    """*text* percent-encoded in one way, whatever way it was written in."""
    raw = text.encode()
    pieces, at = [], 0
    while at < len(raw):
        if raw[at] == 0x25 and (byte := unquote_to_bytes(raw[at : at + 3])) and len(byte) == 1:
            keep = byte[0] in _SAFE and byte not in (b"/", b"?", b"#", b"%")
            pieces.append(chr(byte[0]) if keep else f"%{byte[0]:02X}")
            at += 3
        else:
            pieces.append(chr(raw[at]) if raw[at] in _SAFE else f"%{raw[at]:02X}")
            at += 1
    return "".join(pieces)


def canonical_uri(text: str) -> tuple[str, ...]:
    """
    A form that is equal for URIs that are one; raises ValueError where *text* is none.

    Schemes ignore case; http and https hosts compare as DNS names, ports as text.
    """
    scheme, host, port, rest = _uri(text)
    if scheme not in ("http", "https"):
        return scheme, rest
    with suppress(ValueError):  # an address, or nothing, compares as text
        host = canonical_dns_name(host)
    return scheme, host, port, rest


def same_uri(a: str, b: str) -> bool:
    """Whether two URIs are one; raises ValueError where one is invalid."""
    return canonical_uri(a) == canonical_uri(b)
