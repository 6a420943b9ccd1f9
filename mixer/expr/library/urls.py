"""Parts of URIs: what Kubernetes' url library has, on the mixer's URI."""

from __future__ import annotations

from urllib.parse import SplitResult as Parts
from urllib.parse import parse_qs, quote, urlsplit

from mixer.expr.functions import uri
from mixer.expr.overload import Overload, calls, calls_method
from mixer.expr.types import BOOL, STRING, URI, list_of, map_of

MAX_FIELDS = 1000


def url(text: str) -> str:
    """*text*, which is an absolute URI or an absolute path."""
    found = _parts(uri(text))
    if not found.scheme and not text.startswith("/"):
        raise ValueError(f"{text!r} is neither an absolute URI nor an absolute path")
    return text


def is_url(text: str) -> bool:
    """Whether *text* is an absolute URI or an absolute path."""
    try:
        url(text)
    except ValueError:
        return False
    return True


def _parts(text: str) -> Parts:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no URI: {error}") from None


def scheme(text: str) -> str:
    """Such as ``https``; "" where there is none."""
    return _parts(text).scheme


def host(text: str) -> str:
    """Name and port as they are written; "" where there is none."""
    return _parts(text).netloc.rpartition("@")[2]


def hostname(text: str) -> str:
    """The name without port and without the brackets of IPv6."""
    name = host(text)
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def port(text: str) -> str:
    """The port as a text; "" where none is written."""
    _, colon, found = host(text).rpartition(":")
    return found if colon and "]" not in found else ""


def escaped_path(text: str) -> str:
    """The path, percent-encoded."""
    found = _parts(text)
    if found.scheme and not found.netloc and not found.path.startswith("/"):
        return ""  # mailto:a@b has no path
    return quote(found.path, safe="/%:@!$&'()*+,;=~-._")


def query(text: str) -> dict[str, tuple[str, ...]]:
    """The fields of the query, each with all its values."""
    found = parse_qs(_parts(text).query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    return {name: tuple(values) for name, values in found.items()}


OVERLOADS: tuple[Overload, ...] = (
    calls("url", url, (STRING,), URI),
    calls("isURL", is_url, (STRING,), BOOL, fails=False),
    *(calls_method(name, python, (URI,), STRING) for name, python in (
        ("getScheme", scheme),
        ("getHost", host),
        ("getHostname", hostname),
        ("getPort", port),
        ("getEscapedPath", escaped_path),
    )),
    calls_method("getQuery", query, (URI,), map_of(STRING, list_of(STRING))),
)  # fmt: skip
