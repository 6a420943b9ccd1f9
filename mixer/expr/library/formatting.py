"""``format`` and ``quote``: values as texts, as cel-go's string library writes them."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from attributes import Duration, Timestamp, ip_text
from mixer.expr.conversions import text_of_bytes, text_of_duration, text_of_time
from mixer.expr.values import MAX_DEPTH, MAX_SIZE, Address, TypeValue, Uint, from_key, type_name

MAX_PRECISION = 1000
_VERB = re.compile(r"%(?:(?P<percent>%)|(?:\.(?P<precision>\d{1,9}))?(?P<verb>.)?)", re.DOTALL)
_QUOTED = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
}  # fmt: skip


def quote(text: str) -> str:
    """*text* in double quotes, with escapes for what can't be seen."""
    if len(text) > MAX_SIZE // 2:
        raise ValueError(f"the text has more than {MAX_SIZE // 2} characters")
    return '"' + "".join([_QUOTED.get(char, char) for char in text]) + '"'


def format_text(template: str, args: tuple[Any, ...]) -> str:
    """*template* with its verbs filled; raises ValueError that names the verb and the argument."""
    pieces: list[str] = []
    length = last = used = 0
    for found in _VERB.finditer(template):
        pieces.append(template[last : found.start()])
        last = found.end()
        if found["percent"]:
            pieces.append("%")
        else:
            if used >= len(args):
                raise ValueError(f"format: no argument is left for {found[0]!r}")
            pieces.append(_formatted(found, args[used], used))
            used += 1
        length += len(pieces[-1]) + len(pieces[-2])
        if length > MAX_SIZE:
            break
    if length + len(template) - last > MAX_SIZE:
        raise ValueError(f"format: the text has more than {MAX_SIZE} characters")
    return "".join([*pieces, template[last:]])


def _formatted(found: re.Match[str], value: Any, at: int) -> str:
    verb = _VERBS.get(found["verb"] or "")
    if verb is None:
        raise ValueError(f"format: {found[0]!r} is no verb; the verbs are {' '.join(_VERBS)}")
    precision = None if found["precision"] is None else int(found["precision"])
    if precision is not None and precision > MAX_PRECISION:
        raise ValueError(f"format: a precision of {precision} is more than {MAX_PRECISION}")
    try:
        return verb(value, precision)
    except _WrongTypeError:
        raise ValueError(
            f"format: %{found['verb']} can't show argument {at}, a {type_name(value)}"
        ) from None


class _WrongTypeError(Exception):
    """A verb that can't show a value of this type."""


def _string(value: Any, precision: int | None) -> str:
    return _shown(value, [MAX_SIZE], MAX_DEPTH)


def _shown(value: Any, budget: list[int], depth: int) -> str:
    """*value* as %s shows it; texts inside of lists are shown as they are."""
    text = _scalar(value)
    if text is None:
        budget[0] -= 2
        if budget[0] < 0:
            raise ValueError(f"format: the text has more than {MAX_SIZE} characters")
        if depth <= 0:
            raise ValueError(f"format: the value is nested deeper than {MAX_DEPTH}")
        if value.__class__ is tuple:
            return f"[{', '.join([_shown(item, budget, depth - 1) for item in value])}]"
        if value.__class__ is dict:
            rows = [
                (_shown(from_key(key), budget, 1), _shown(item, budget, depth - 1))
                for key, item in value.items()
            ]
            return f"{{{', '.join([f'{key}: {item}' for key, item in sorted(rows)])}}}"
        raise _WrongTypeError
    budget[0] -= len(text)
    if budget[0] < 0:
        raise ValueError(f"format: the text has more than {MAX_SIZE} characters")
    return text


def _scalar(value: Any) -> str | None:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Timestamp():
            return text_of_time(value)
        case Duration():
            return text_of_duration(value)
        case int():
            return str(int(value))
        case float():
            return _special(value) or _plain(value)
        case str():
            return str(value)
        case Address():
            return ip_text(value)
        case bytes():
            return text_of_bytes(value)
        case ipaddress.IPv4Interface() | ipaddress.IPv6Interface():
            return str(value)
        case TypeValue():
            return value.name
        case tuple() | dict():
            return None
    return None


_SPECIAL = frozenset(["NaN", "Infinity", "-Infinity"])


def _special(value: float) -> str:
    """The names of what is no finite number, else ""."""
    if math.isfinite(value):
        return ""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _plain(value: float) -> str:
    """All digits of a double and no exponent."""
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def _decimal(value: Any, precision: int | None) -> str:
    if value.__class__ in (int, Uint):
        return str(int(value))
    if value.__class__ is float and _special(value):
        return _special(value)
    raise _WrongTypeError


def _number(value: Any) -> float | int:
    if value.__class__ is str and value in _SPECIAL:  # as Go's and Google's own do
        return float(value)
    if value.__class__ not in (int, Uint, float):
        raise _WrongTypeError
    return int(value) if value.__class__ is Uint else value


def _fixed(value: Any, precision: int | None) -> str:
    number = _number(value)
    digits = Decimal(1).scaleb(-(6 if precision is None else precision))
    if isinstance(number, float) and _special(number):
        return _special(number)
    exact = Decimal(number)
    with_places = exact.quantize(digits, ROUND_HALF_EVEN, _CONTEXT)
    return format(with_places, "f")


def _scientific(value: Any, precision: int | None) -> str:
    number = _number(value)
    if isinstance(number, float) and _special(number):
        return _special(number)
    return f"{float(number):.{6 if precision is None else precision}e}"


def _binary(value: Any, precision: int | None) -> str:
    if value.__class__ is bool:
        return str(int(value))
    if value.__class__ in (int, Uint):
        return format(int(value), "b")
    raise _WrongTypeError


def _octal(value: Any, precision: int | None) -> str:
    if value.__class__ in (int, Uint):
        return format(int(value), "o")
    raise _WrongTypeError


def _hex(value: Any, precision: int | None) -> str:
    if value.__class__ in (int, Uint):
        return format(int(value), "x")
    if value.__class__ is bytes:
        return bytes(value).hex()
    if isinstance(value, str):
        return value.encode().hex()
    raise _WrongTypeError


def _upper_hex(value: Any, precision: int | None) -> str:
    return _hex(value, precision).upper()


_CONTEXT = Context(prec=2000)
_VERBS: dict[str, Callable[[Any, int | None], str]] = {
    "s": _string,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "o": _octal,
    "x": _hex,
    "X": _upper_hex,
}
