"""The operators of CEL and its functions on texts, lists and maps (cel-spec, langdef.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from attributes import same_ip
from mixer.expr import functions
from mixer.expr.arithmetic import (
    divide,
    divide_unsigned,
    duration,
    instant,
    quotient,
    remainder,
    remainder_unsigned,
)
from mixer.expr.overload import Overload, calls, fast, fast_method
from mixer.expr.syntax import ADD, DIV, EQ, GE, GT, IN, LE, LT, MOD, MUL, NE, NEGATE, NOT, SUB
from mixer.expr.types import (
    BOOL,
    BYTES,
    DNS,
    DOUBLE,
    DURATION,
    DYN,
    EMAIL,
    INT,
    IP,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    URI,
    A,
    B,
    list_of,
    map_of,
    optional_of,
)
from mixer.expr.types import Type as T
from mixer.expr.values import (
    MAX_SIZE,
    NONE,
    Optional,
    Uint,
    bounded_text,
    canonical,
    equal,
    int64,
    key_of,
    type_name,
    uint64,
)

INDEX, OPTIONAL_INDEX, HAS_KEY = "_[_]", "_[?_]", "has"
COMPARISONS = {EQ: "==", NE: "!=", LT: "<", LE: "<=", GT: ">", GE: ">="}
_NUMBERS = (INT, UINT, DOUBLE)
_ORDERS = (LT, LE, GT, GE)
_SIGNS = ((ADD, "+"), (SUB, "-"), (MUL, "*"))


# -- equality and order


def same_types() -> list[Overload]:
    """Equality of two values of one attribute type."""
    found = [
        fast(op, (type_, type_), BOOL, f"{{0}} {COMPARISONS[op]} {{1}}")
        for type_ in (BOOL, STRING, INT, DOUBLE, TIMESTAMP, DURATION)
        for op in (EQ, NE)
    ]
    for type_, same in (
        (IP, same_ip),
        (DNS, functions.same_dns_name),
        (EMAIL, functions.same_email),
        (URI, functions.same_uri),
    ):
        call, helpers = f"{same.__name__}({{0}}, {{1}})", {same.__name__: same}
        found.append(Overload(EQ, (type_, type_), BOOL, call, helpers, fails=True))
        found.append(Overload(NE, (type_, type_), BOOL, f"not {call}", helpers, fails=True))
    return found


def same_order() -> list[Overload]:
    """Order of two values of one attribute type; names compare as plain texts."""
    return [
        _comparison(op, type_, type_)
        for type_ in (STRING, INT, DOUBLE, TIMESTAMP, DURATION, DNS, EMAIL, URI)
        for op in _ORDERS
    ]


def _comparison(operator: str, left: T, right: T, code: str = "{0} %s {1}") -> Overload:
    return fast(operator, (left, right), BOOL, code % COMPARISONS[operator])


def contains_item(value: Any, items: tuple[Any, ...]) -> bool:
    """Whether a list has an item equal to *value*."""
    return any(equal(value, item) for item in items)


def _equality() -> list[Overload]:
    plain = [
        _comparison(op, type_, type_) for type_ in (UINT, BYTES, NULL, TYPE) for op in (EQ, NE)
    ]
    return [
        *same_types(),
        *plain,
        Overload(EQ, (A, A), BOOL, "equal({0}, {1})", {"equal": equal}, fails=True, heavy=True),
        Overload(NE, (A, A), BOOL, "not equal({0}, {1})", {"equal": equal}, fails=True, heavy=True),
    ]


def _order() -> list[Overload]:
    """Order within types, and of numbers of two types, which compare as doubles if one is."""
    whole = (INT, UINT)
    same = [(type_, type_) for type_ in (UINT, BYTES, BOOL)]
    return [
        *same_order(),
        *(_comparison(op, *types) for types in same for op in _ORDERS),
        *(_comparison(op, *types) for types in ((INT, UINT), (UINT, INT)) for op in _ORDERS),
        *(_comparison(op, one, DOUBLE, "float({0}) %s {1}") for one in whole for op in _ORDERS),
        *(_comparison(op, DOUBLE, one, "{0} %s float({1})") for one in whole for op in _ORDERS),
    ]


# -- arithmetic


def _arithmetic() -> list[Overload]:
    found = [
        Overload(
            op, (type_, type_), type_, f"{fits.__name__}({{0}} {sign} {{1}})",
            {fits.__name__: fits}, fails=True,
        )
        for op, sign in _SIGNS
        for type_, fits in ((INT, int64), (UINT, uint64))
    ]  # fmt: skip
    found += [fast(op, (DOUBLE, DOUBLE), DOUBLE, f"{{0}} {sign} {{1}}") for op, sign in _SIGNS]
    found += [
        Overload(
            op, types, result, f"{make.__name__}({{0}} {sign} {{1}})", {make.__name__: make}, True
        )
        for op, sign, types, result, make in (
            (ADD, "+", (TIMESTAMP, DURATION), TIMESTAMP, instant),
            (ADD, "+", (DURATION, TIMESTAMP), TIMESTAMP, instant),
            (ADD, "+", (DURATION, DURATION), DURATION, duration),
            (SUB, "-", (TIMESTAMP, DURATION), TIMESTAMP, instant),
            (SUB, "-", (TIMESTAMP, TIMESTAMP), DURATION, duration),
            (SUB, "-", (DURATION, DURATION), DURATION, duration),
        )
    ]
    return [
        *found,
        calls(DIV, divide, (INT, INT), INT, heavy=False),
        calls(MOD, remainder, (INT, INT), INT, heavy=False),
        calls(DIV, divide_unsigned, (UINT, UINT), UINT, heavy=False),
        calls(MOD, remainder_unsigned, (UINT, UINT), UINT, heavy=False),
        calls(DIV, quotient, (DOUBLE, DOUBLE), DOUBLE, fails=False, heavy=False),
        Overload(NEGATE, (INT,), INT, "int64(-{0})", {"int64": int64}, fails=True),
        fast(NEGATE, (DOUBLE,), DOUBLE, "-{0}"),
        fast(NOT, (BOOL,), BOOL, "not {0}"),
    ]


# -- texts and lists


def concat(a: str, b: str) -> str:
    """Two texts as one."""
    if len(a) + len(b) > MAX_SIZE:
        bounded_text(a + b)
    return a + b


def joined(a: Any, b: Any) -> Any:
    """Two lists, or two byte strings, as one."""
    if len(a) + len(b) > MAX_SIZE:
        raise ValueError(f"the result has more than {MAX_SIZE} parts")
    return a + b


CONCAT = fast(ADD, (STRING, STRING), STRING, "{0} + {1}")
GUARDED_CONCAT = calls(ADD, concat, (STRING, STRING), STRING)
"""The same where variables could double a text again and again."""


def regex(pattern: int, subject: int) -> Overload:
    """``matches`` with its *pattern* and *subject* at these places."""
    return Overload(
        "matches",
        (STRING, STRING),
        BOOL,
        f"compile_regex({{{pattern}}}).search({{{subject}}}) is not None",
        {"compile_regex": functions.compile_regex},
        fails=True,
        heavy=True,
        method=True,
        prepared=pattern,
        prepare=functions.compile_regex,
        constant_code=f"{{{pattern}}}.search({{{subject}}}) is not None",
    )


def _texts() -> list[Overload]:
    matches = regex(pattern=1, subject=0)
    function = replace(matches, method=False)
    sizes = (STRING, BYTES, list_of(A), map_of(A, B))
    return [
        CONCAT,
        calls(ADD, joined, (BYTES, BYTES), BYTES),
        calls(ADD, joined, (list_of(A), list_of(A)), list_of(A)),
        matches,
        function,
        Overload("contains", (STRING, STRING), BOOL, "{1} in {0}", method=True, heavy=True),
        *(fast("size", (type_,), INT, "len({0})") for type_ in sizes),
        *(fast_method("size", (type_,), INT, "len({0})") for type_ in sizes),
    ]


def text_methods() -> list[Overload]:
    """What both languages know of texts."""
    return [
        fast_method("startsWith", (STRING, STRING), BOOL, "{0}.startswith({1})"),
        fast_method("endsWith", (STRING, STRING), BOOL, "{0}.endswith({1})"),
    ]


# -- parts of lists and maps


def item_at(items: tuple[Any, ...], place: float) -> Any:
    """The item of a list at a whole *place*."""
    if place != int(place) or not 0 <= place < len(items):
        raise ValueError(f"index out of bounds: {place} of a list of {len(items)}")
    return items[int(place)]


def item_or_none(items: tuple[Any, ...], place: float) -> Optional:
    """The item at *place*, if there is one."""
    fits = place == int(place) and 0 <= place < len(items)
    return Optional(items[int(place)]) if fits else NONE


def value_of(entries: dict[Any, Any], key: Any) -> Any:
    """The value of *key*."""
    try:
        return entries[key_of(key)]
    except KeyError:
        raise ValueError(f"no such key: {shown_key(key)}") from None


def value_or_none(entries: dict[Any, Any], key: Any) -> Optional:
    """The value of *key*, if it is there."""
    found = key_of(key)
    return Optional(entries[found]) if found in entries else NONE


def has_key(entries: dict[Any, Any], key: Any) -> bool:
    """Whether *key* is there."""
    return key_of(key) in entries


def shown_key(key: Any) -> str:
    """A key in an error message."""
    return f"'{key}'" if isinstance(key, str) else repr(key)


def inside(optional: Optional, part: Any) -> Optional:
    """The part of what an optional holds, if both are there."""
    if not optional.present:
        return NONE
    match optional.value:
        case dict() as entries:
            return value_or_none(entries, part)
        case tuple() as items if part.__class__ in (int, Uint, float):
            return item_or_none(items, part)
        case held:
            raise ValueError(f"no such overload: {type_name(held)}[{type_name(part)}]")


def in_mixed(value: Any, items: tuple[Any, ...]) -> bool:
    """Whether a list of any types has *value*."""
    wanted = canonical(value)
    return any(canonical(item) == wanted for item in items)


def _members() -> list[Overload]:
    one_type = (STRING, INT, UINT, BOOL, BYTES, TIMESTAMP, DURATION)
    whole: list[Overload] = []
    for place in _NUMBERS:
        whole += [
            calls(INDEX, item_at, (list_of(A), place), A, heavy=False),
            calls(OPTIONAL_INDEX, item_or_none, (list_of(A), place), optional_of(A), heavy=False),
        ]
    return [
        *(
            Overload(
                IN, (type_, list_of(type_)), BOOL, "{0} in {1}", heavy=True, prepared=1,
                prepare=frozenset,
            )
            for type_ in one_type
        ),
        calls(IN, contains_item, (A, list_of(A)), BOOL),
        calls(IN, _has_key_in, (A, map_of(A, B)), BOOL, heavy=False),
        *whole,
        calls(INDEX, value_of, (map_of(A, B), A), B, heavy=False),
        calls(OPTIONAL_INDEX, value_or_none, (map_of(A, B), A), optional_of(B), heavy=False),
        *(
            calls(name, inside, (optional_of(whole), part), optional_of(found), heavy=False)
            for name in (INDEX, OPTIONAL_INDEX)
            for whole, part, found in ((map_of(A, B), A, B), (list_of(A), INT, A), (DYN, DYN, DYN))
        ),
        calls(HAS_KEY, has_key, (map_of(A, B), A), BOOL, heavy=False),
        calls(HAS_KEY, has_inside, (optional_of(map_of(A, B)), A), BOOL, heavy=False),
    ]  # fmt: skip


def has_inside(optional: Optional, key: Any) -> bool:
    """Whether an optional holds a map that has *key*."""
    return inside(optional, key).present


def _has_key_in(key: Any, entries: dict[Any, Any]) -> bool:
    try:
        return key_of(key) in entries
    except ValueError:
        return False


def list_from(count: int, item: T, optional: Iterable[int]) -> Overload:
    """The function that makes a list of *count* items, of which some are *optional*."""
    chosen = frozenset(optional)
    codes = [f"*spread({{{at}}})" if at in chosen else f"{{{at}}}" for at in range(count)]
    params = tuple(optional_of(item) if at in chosen else item for at in range(count))
    code = "(" + "".join(f"{code}, " for code in codes) + ")"
    return Overload("[]", params, list_of(item), code, {"spread": _spread})


def _spread(optional: Optional) -> tuple[Any, ...]:
    return (optional.value,) if optional.present else ()


def map_from(count: int, key: T, value: T, optional: Iterable[int]) -> Overload:
    """The function that makes a map of *count* keys and values, some of them *optional*."""
    chosen = frozenset(optional)
    codes = [
        f"*((({{{2 * at}}}, one) for one in spread({{{2 * at + 1}}})))"
        if at in chosen
        else f"({{{2 * at}}}, {{{2 * at + 1}}})"
        for at in range(count)
    ]
    params: list[T] = []
    for at in range(count):
        params += (key, optional_of(value) if at in chosen else value)
    code = f"make_map(({''.join(f'{code}, ' for code in codes)}))"
    helpers = {"make_map": make_map, "spread": _spread}
    return Overload("{}", tuple(params), map_of(key, value), code, helpers, fails=True)


def make_map(entries: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """A map; raises ValueError where a key comes twice or can't be a key."""
    made: dict[Any, Any] = {}
    for key, value in entries:
        found = as_key(key)
        if found in made:
            raise ValueError(f"the key {shown_key(key)} comes twice")
        made[found] = value
    return made


def as_key(value: Any) -> Any:
    """The key under which a map keeps *value*; raises ValueError where it can't be one."""
    if value.__class__ is float:
        raise ValueError("a double can't be the key of a map")
    return key_of(value)


OVERLOADS: tuple[Overload, ...] = (
    *_equality(),
    *_order(),
    *_arithmetic(),
    *_texts(),
    *_members(),
)
