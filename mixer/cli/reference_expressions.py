"""The reference page of expressions: every function of both languages, from their tables."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from itertools import groupby

from mixer.expr.overload import Overload
from mixer.expr.overloads import CEL_TABLE, CEXL_TABLE, Table
from mixer.expr.standard import HAS_KEY, INDEX, OPTIONAL_INDEX
from mixer.expr.syntax import OPERATORS

_MEANINGS = {
    "bytes": "The UTF-8 of a text.",
    "conditionalString": "One of two texts; both are evaluated.",
    "contains": "Whether the argument is a part of the text.",
    "double": "The number as a double.",
    "endsWith": "Whether the text ends so.",
    "hasValue": "Whether the optional holds a value.",
    "int": "The number as an int; a time as seconds since 1970.",
    "math.bitAnd": "The bits that both have.",
    "math.bitOr": "The bits that one has.",
    "math.bitXor": "The bits that just one has.",
    "math.isFinite": "Whether it is neither NaN nor an infinity.",
    "math.isInf": "Whether it is an infinity.",
    "math.isNaN": "Whether it is no number.",
    "matches": "Whether a part of the text matches the regular expression (RE2).",
    "optional.none": "The optional without a value.",
    "optional.of": "An optional that holds the value.",
    "size": "The number of characters, bytes or items.",
    "startsWith": "Whether the text begins so.",
    "string": "The value as a text.",
    "bool": "The truth that a text spells: 1, t, true, TRUE, True and their opposites.",
    "duration": "A duration in Go's text form, such as 1m30s.",
    "timestamp": "An RFC 3339 time, or seconds since 1970.",
    "uint": "The number as a uint.",
}
"""Of functions that are no call of a documented one."""

MACROS: Mapping[str, str] = {
    "has(e.f)": "Whether an attribute, or a key of a map, is there.",
    "e.all(x, test)": "Whether the test holds for all items; for a map, for all keys.",
    "e.exists(x, test)": "Whether the test holds for some item.",
    "e.exists_one(x, test)": "Whether the test holds for just one item; also `existsOne`.",
    "e.filter(x, test)": "The items for which the test holds.",
    "e.map(x, value)": "A value for each item; `e.map(x, test, value)` for those that pass.",
    "e.all(i, x, test)": "With two variables: place and item, or key and value. So have "
    "`exists`, `existsOne` and the following.",
    "e.transformList(i, x, value)": "A list of values; a test may stand before the value.",
    "e.transformMap(k, x, value)": "A map of the same keys; a test may stand before the value.",
    "e.transformMapEntry(k, x, map)": "All entries of the maps as one.",
    "e.sortBy(x, key)": "The items in the order of their keys.",
    "cel.bind(x, value, e)": "The last argument, in which the name stands for the value.",
    "o.optMap(x, value)": "An optional of the value, if the optional holds something.",
    "o.optFlatMap(x, optional)": "The same, where the value is an optional itself.",
    "o.orValue(value)": "What the optional holds, or else the value.",
    "o.or(optional)": "The optional, or the other one where it holds nothing.",
    "conditional(c, x, y)": "Istio's way to write `c ? x : y`.",
    "pick(a, b)": "Istio's way to write `a | b`; a name without a dot is always there.",
    "emptyStringMap()": "A STRING_MAP without entries.",
    "dyn(e)": "The value, whose type is looked at only when the call is there.",
}
"""What is no function because its arguments are not evaluated first, or are names."""

_HIDDEN = {*OPERATORS, INDEX, OPTIONAL_INDEX, HAS_KEY, "@sortedBy", "[]"}


def page() -> Iterator[str]:
    """The lines of the page."""
    yield (
        "What [the guide](../expressions.md) explains, in full. STRING_MAP is a map from text to "
        "text; `dyn` is a value whose type is known at the call. A method of STRING may be asked "
        "of a URI, DNS_NAME or EMAIL_ADDRESS too. `mixs eval` tries any of them."
    )
    yield ""
    yield "## Macros and forms of CEL"
    yield ""
    yield "| form | meaning |"
    yield "|---|---|"
    for form, meaning in MACROS.items():
        yield f"| `{form}` | {meaning} |"
    yield ""
    yield "## Functions of CEL"
    yield from _functions(CEL_TABLE)
    yield ""
    yield "## Functions of Istio's syntax"
    yield from _functions(CEXL_TABLE)
    yield ""
    yield "## Operators"
    yield ""
    yield "| operator | operands in CEL | operands in Istio's syntax |"
    yield "|---|---|---|"
    for name in sorted(OPERATORS & CEL_TABLE.keys()):
        ours = _operands(CEL_TABLE.get(name, ()))
        istio = _operands(CEXL_TABLE.get(name, ()))
        yield f"| `{name.strip('_@')}` | {ours} | {istio} |"
    yield ""
    yield "Besides, `&&`, `||`, `? :`, `e[i]`, `e.f`, `e[?i]`, `e.?f` and the fallback `|`."


def _functions(table: Table) -> Iterator[str]:
    yield ""
    yield "| function | meaning |"
    yield "|---|---|"
    for name in sorted(table.keys() - _HIDDEN, key=lambda name: (name.lower(), name)):
        for meaning, overloads in groupby(table[name], _meaning):
            forms = dict.fromkeys(_form(overload) for overload in overloads)
            yield f"| {'<br>'.join(f'`{form}`' for form in forms)} | {meaning} |"


def _meaning(overload: Overload) -> str:
    for name, helper in overload.helpers.items():
        if overload.code.startswith(f"{name}(") and inspect.isfunction(helper) and helper.__doc__:
            text = inspect.cleandoc(helper.__doc__).partition("\n\n")[0]
            return text.replace("\n", " ").replace("|", "\\|").replace("``", "`")
    return _MEANINGS[overload.function]


def _form(overload: Overload) -> str:
    params = [_type(param) for param in overload.params]
    target = f"{params.pop(0)}." if overload.method else ""
    return f"{target}{overload.function}({', '.join(params)}) -> {_type(overload.result)}"


def _type(type_: object) -> str:
    return str(type_).replace("?", "")


def _operands(overloads: tuple[Overload, ...]) -> str:
    rows = dict.fromkeys(
        ", ".join(dict.fromkeys(_type(param) for param in overload.params))
        for overload in overloads
    )
    return "; ".join(rows) or "none"
