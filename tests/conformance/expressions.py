"""Random expressions of CEL, well typed for the most part, and values for their variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from attributes import Duration, Timestamp
from attributes.values import NANOS
from mixer.expr.show import quoted
from mixer.expr.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    STRING_MAP,
    TIMESTAMP,
    UINT,
    Type,
    list_of,
    map_of,
)
from mixer.expr.values import Uint

INTS, STRINGS, INT_MAP = list_of(INT), list_of(STRING), map_of(STRING, INT)
VARIABLES: Mapping[str, Type] = {
    "b": BOOL,
    "i": INT,
    "j": INT,
    "u": UINT,
    "d": DOUBLE,
    "s": STRING,
    "a.t": STRING,
    "y": BYTES,
    "ts": TIMESTAMP,
    "du": DURATION,
    "li": INTS,
    "ls": STRINGS,
    "m": STRING_MAP,
    "mi": INT_MAP,
}
_WORDS = [
    "",
    "a",
    "b",
    "k",
    "x",
    "ab",
    "Abc",
    "1",
    "-7",
    "2.5",
    "true",
    "ä😀",
    " a ",
    "a,b",
    "T",
    "é",
]
_INTEGERS = [0, 1, -1, 2, 3, 7, -7, 64, 255, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
_DOUBLES = [0.0, -0.0, 1.0, -1.5, 2.5, 0.1, 3.0, 1e18, 1e300, -2.25]
_TIMES = ["2020-02-29T23:59:58.5Z", "1970-01-01T00:00:00Z", "1999-12-31T12:00:00.000001Z"]
_DURATIONS = ["0s", "1.5s", "-90m", "36h", "250ms", "1h2m3s"]
_ZONES = ["UTC", "Europe/Paris", "-08:30", "+02:00", "America/New_York"]
_PATTERNS = ["a", "^a.*", "[0-9]+", "b$", "(a|k)", "", "\\\\d", "x*"]
_COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]


def values(random: Random) -> dict[str, Any]:
    """A value for each of VARIABLES."""
    pick = random.choice
    return {
        "b": pick([True, False]),
        "i": pick(_INTEGERS),
        "j": pick(_INTEGERS),
        "u": Uint(pick([0, 1, 7, 2**63, 2**64 - 1])),
        "d": pick(_DOUBLES),
        "s": pick(_WORDS),
        "a.t": pick(_WORDS),
        "y": pick([b"", b"a", b"abc", "ä".encode()]),
        "ts": Timestamp.parse(pick(_TIMES)),
        "du": Duration(random.choice([0, 1, -5400, 129600]) * NANOS),
        "li": tuple(random.choices(_INTEGERS, k=random.randrange(4))),
        "ls": tuple(random.choices(_WORDS, k=random.randrange(4))),
        "m": {word: pick(_WORDS) for word in random.sample(_WORDS, random.randrange(4))},
        "mi": {word: pick(_INTEGERS) for word in random.sample(_WORDS, random.randrange(3))},
    }


class Expressions:
    """Makes expressions; all chance comes from *random*."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._scope: list[tuple[str, Type]] = list(VARIABLES.items())
        self._makers: dict[Type, list[Callable[[int], str]]] = {
            BOOL: [self._comparison, self._logic, self._not, self._in, self._quantifier,
                   self._test, self._has, self._bool_conversion],
            INT: [self._sum, self._negative, self._size, self._int_conversion, self._part_of_time,
                  self._index_of, self._item_int, self._math],
            UINT: [self._sum_of_uints, self._uint_conversion],
            DOUBLE: [self._sum_of_doubles, self._double_conversion, self._double_math],
            STRING: [self._concatenation, self._string_conversion, self._lookup, self._item_string,
                     self._text_function],
            BYTES: [self._joined_bytes, self._bytes_conversion],
            TIMESTAMP: [self._moved, self._time_conversion],
            DURATION: [self._span, self._duration_conversion],
            INTS: [self._list_int, self._mapped, self._filtered(INTS), self._joined(INTS)],
            STRINGS: [self._list_string, self._keys, self._filtered(STRINGS), self._split,
                      self._joined(STRINGS)],
            STRING_MAP: [self._map_string],
            INT_MAP: [self._map_int],
        }  # fmt: skip

    def make(self) -> str:
        """One expression."""
        return self.of(self._random.choice(list(self._makers)), self._random.randrange(1, 5))

    def of(self, type_: Type, depth: int) -> str:
        """An expression of *type_*, nested at most *depth* deep."""
        roll = self._random.random()
        if depth <= 0 or roll < 0.15:
            return self._leaf(type_)
        if roll < 0.22:
            yes, no = self._two(type_, depth - 1)
            return f"({self.of(BOOL, depth - 1)} ? {yes} : {no})"
        if roll < 0.25:
            body = self._within("q", type_, type_, depth - 1)
            return f"cel.bind(q, {self.of(type_, depth - 1)}, {body})"
        if roll < 0.28:  # a slip, which both sides must refuse or take alike
            type_ = self._random.choice(list(self._makers))
        return self._random.choice(self._makers[type_])(depth - 1)

    def _leaf(self, type_: Type) -> str:
        known = [name for name, of in self._scope if of == type_]
        if known and self._random.random() < 0.6:
            return self._random.choice(known)
        return self._literal(type_)

    def _literal(self, type_: Type) -> str:
        pick = self._random.choice
        match type_.name:
            case "BOOL":
                return pick(["true", "false"])
            case "INT64":
                return str(pick(_INTEGERS))
            case "uint":
                return pick(["0u", "1u", "7u", "18446744073709551615u"])
            case "DOUBLE":
                return repr(pick(_DOUBLES))
            case "STRING":
                return quoted(pick(_WORDS))
            case "bytes":
                return pick(['b""', 'b"a"', 'b"\\xff"', 'b"ab"'])
            case "TIMESTAMP":
                return f'timestamp("{pick(_TIMES)}")'
            case "DURATION":
                return f'duration("{pick(_DURATIONS)}")'
            case "list":
                return f"[{self._literal(type_.params[0])}]"
            case _:
                return f"{{{self._literal(STRING)}: {self._literal(type_.params[1])}}}"

    def _within(self, name: str, variable: Type, type_: Type, depth: int) -> str:
        """An expression of *type_* that may use a variable *name* of type *variable*."""
        self._scope.append((name, variable))
        made = self.of(type_, depth)
        self._scope.pop()
        return made

    def _two(self, type_: Type, depth: int) -> tuple[str, str]:
        return self.of(type_, depth), self.of(type_, depth)

    # -- booleans

    def _comparison(self, depth: int) -> str:
        pick = self._random.choice
        type_ = pick(
            [INT, UINT, DOUBLE, STRING, BYTES, BOOL, TIMESTAMP, DURATION, INTS, STRING_MAP]
        )
        signs = _COMPARISONS[:2] if type_ in (INTS, STRING_MAP) else _COMPARISONS
        left, right = self._two(type_, depth)
        if self._random.random() < 0.15:
            right = f"dyn({self.of(pick([INT, UINT, DOUBLE, STRING]), depth)})"
        return f"({left} {pick(signs)} {right})"

    def _logic(self, depth: int) -> str:
        left, right = self._two(BOOL, depth)
        return f"({left} {self._random.choice(['&&', '||'])} {right})"

    def _not(self, depth: int) -> str:
        return f"!{self.of(BOOL, depth)}"

    def _in(self, depth: int) -> str:
        type_, container = self._random.choice(
            [(INT, INTS), (STRING, STRINGS), (STRING, STRING_MAP), (STRING, INT_MAP)]
        )
        return f"({self.of(type_, depth)} in {self.of(container, depth)})"

    def _quantifier(self, depth: int) -> str:
        container, item = self._random.choice(
            [(INTS, INT), (STRINGS, STRING), (STRING_MAP, STRING), (INT_MAP, STRING)]
        )
        macro = self._random.choice(["all", "exists", "exists_one"])
        body = self._within("e", item, BOOL, depth)
        return f"{self.of(container, depth)}.{macro}(e, {body})"

    def _test(self, depth: int) -> str:
        method = self._random.choice(["startsWith", "endsWith", "contains", "matches"])
        argument = (
            f'"{self._random.choice(_PATTERNS)}"' if method == "matches" else self.of(STRING, depth)
        )
        return f"{self.of(STRING, depth)}.{method}({argument})"

    def _has(self, depth: int) -> str:
        return f"has({self._random.choice(['m.k', 'mi.a', 'm.x'])})"

    def _bool_conversion(self, depth: int) -> str:
        return f"bool({self.of(self._random.choice([BOOL, STRING]), depth)})"

    # -- numbers

    def _sum(self, depth: int) -> str:
        left, right = self._two(INT, depth)
        return f"({left} {self._random.choice('+-*/%')} {right})"

    def _negative(self, depth: int) -> str:
        return f"-({self.of(INT, depth)})"

    def _size(self, depth: int) -> str:
        type_ = self._random.choice([STRING, BYTES, INTS, STRINGS, STRING_MAP])
        whole = self.of(type_, depth)
        return self._random.choice([f"size({whole})", f"{whole}.size()"])

    def _int_conversion(self, depth: int) -> str:
        type_ = self._random.choice([INT, UINT, DOUBLE, STRING, TIMESTAMP])
        return f"int({self.of(type_, depth)})"

    def _part_of_time(self, depth: int) -> str:
        parts = ["FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear"]
        clock = ["Hours", "Minutes", "Seconds", "Milliseconds"]
        if self._random.random() < 0.4:
            return f"{self.of(DURATION, depth)}.get{self._random.choice(clock)}()"
        zone = f'"{self._random.choice(_ZONES)}"' if self._random.random() < 0.5 else ""
        return f"{self.of(TIMESTAMP, depth)}.get{self._random.choice(parts + clock)}({zone})"

    def _index_of(self, depth: int) -> str:
        method = self._random.choice(["indexOf", "lastIndexOf"])
        return f"{self.of(STRING, depth)}.{method}({self.of(STRING, depth)})"

    def _item_int(self, depth: int) -> str:
        if self._random.random() < 0.5:
            return f"{self.of(INTS, depth)}[{self._random.randrange(-1, 3)}]"
        return f"{self.of(INT_MAP, depth)}[{self.of(STRING, depth)}]"

    def _math(self, depth: int) -> str:
        pick = self._random.choice
        left, right = self._two(INT, depth)
        return pick([
            f"math.greatest({left}, {right})",
            f"math.least({left}, {right}, {self._literal(INT)})",
            f"math.abs({left})",
            f"math.sign({left})",
            f"math.bitAnd({left}, {right})",
            f"math.bitOr({left}, {right})",
            f"math.bitXor({left}, {right})",
            f"math.bitNot({left})",
            f"math.bitShiftLeft({left}, {self._random.randrange(-1, 66)})",
            f"math.bitShiftRight({left}, {self._random.randrange(-1, 66)})",
        ])  # fmt: skip

    def _sum_of_uints(self, depth: int) -> str:
        left, right = self._two(UINT, depth)
        return f"({left} {self._random.choice('+-*/%')} {right})"

    def _uint_conversion(self, depth: int) -> str:
        return f"uint({self.of(self._random.choice([INT, UINT, DOUBLE, STRING]), depth)})"

    def _sum_of_doubles(self, depth: int) -> str:
        left, right = self._two(DOUBLE, depth)
        return f"({left} {self._random.choice('+-*/')} {right})"

    def _double_conversion(self, depth: int) -> str:
        return f"double({self.of(self._random.choice([INT, UINT, DOUBLE, STRING]), depth)})"

    def _double_math(self, depth: int) -> str:
        name = self._random.choice(["ceil", "floor", "round", "trunc", "abs", "sign", "sqrt"])
        return f"math.{name}({self.of(DOUBLE, depth)})"

    # -- texts and bytes

    def _concatenation(self, depth: int) -> str:
        return "({} + {})".format(*self._two(STRING, depth))

    def _string_conversion(self, depth: int) -> str:
        type_ = self._random.choice([INT, UINT, BOOL, STRING, BYTES, TIMESTAMP, DURATION])
        made = self.of(type_, depth)
        if type_ == TIMESTAMP:  # see disagreements.yaml, digits of a second
            made = f"timestamp(int({made}))"
        elif type_ == DURATION:
            made = f'duration(string({made}.getSeconds()) + "s")'
        return f"string({made})"

    def _lookup(self, depth: int) -> str:
        if self._random.random() < 0.3:
            return self._random.choice(["m.k", "m.x"])
        return f"{self.of(STRING_MAP, depth)}[{self.of(STRING, depth)}]"

    def _item_string(self, depth: int) -> str:
        return f"{self.of(STRINGS, depth)}[{self._random.randrange(-1, 3)}]"

    def _text_function(self, depth: int) -> str:
        pick, whole = self._random.choice, self.of(STRING, depth)
        part, other = self._two(STRING, depth)
        place = self._random.randrange(-1, 4)
        return pick([
            f"{whole}.charAt({place})",
            f"{whole}.substring({place})",
            f"{whole}.substring({place}, {self._random.randrange(0, 5)})",
            f"{whole}.replace({part}, {other})",
            f"{whole}.replace({part}, {other}, {place})",
            f"{whole}.lowerAscii()",
            f"{whole}.upperAscii()",
            f"{whole}.trim()",
            f"{whole}.reverse()",
            f"{self.of(STRINGS, depth)}.join({part})",
            f'"%s-%s".format([{part}, {self.of(INT, depth)}])',
            f'"%d %x".format([{self.of(INT, depth)}, {self.of(UINT, depth)}])',
            f"base64.encode({self.of(BYTES, depth)})",
        ])  # fmt: skip

    def _joined_bytes(self, depth: int) -> str:
        return "({} + {})".format(*self._two(BYTES, depth))

    def _bytes_conversion(self, depth: int) -> str:
        return f"bytes({self.of(STRING, depth)})"

    # -- times

    def _moved(self, depth: int) -> str:
        sign = self._random.choice("+-")
        return f"({self.of(TIMESTAMP, depth)} {sign} {self.of(DURATION, depth)})"

    def _time_conversion(self, depth: int) -> str:
        return f"timestamp({self.of(self._random.choice([INT, TIMESTAMP]), depth)})"

    def _span(self, depth: int) -> str:
        if self._random.random() < 0.4:
            return "({} - {})".format(*self._two(TIMESTAMP, depth))
        left, right = self._two(DURATION, depth)
        return f"({left} {self._random.choice('+-')} {right})"

    def _duration_conversion(self, depth: int) -> str:
        return f"duration({self.of(self._random.choice([STRING, DURATION]), depth)})"

    # -- lists and maps

    def _list_int(self, depth: int) -> str:
        return "[{}, {}]".format(*self._two(INT, depth))

    def _list_string(self, depth: int) -> str:
        return "[{}, {}]".format(*self._two(STRING, depth))

    def _mapped(self, depth: int) -> str:
        container, item = self._random.choice([(INTS, INT), (STRINGS, STRING)])
        body = self._within("e", item, INT, depth)
        if self._random.random() < 0.3:
            test = self._within("e", item, BOOL, depth)
            return f"{self.of(container, depth)}.map(e, {test}, {body})"
        return f"{self.of(container, depth)}.map(e, {body})"

    def _filtered(self, type_: Type) -> Callable[[int], str]:
        def filtered(depth: int) -> str:
            test = self._within("e", type_.params[0], BOOL, depth)
            return f"{self.of(type_, depth)}.filter(e, {test})"

        return filtered

    def _joined(self, type_: Type) -> Callable[[int], str]:
        return lambda depth: "({} + {})".format(*self._two(type_, depth))

    def _keys(self, depth: int) -> str:
        return f"[{self.of(STRING, depth)}].map(e, e + {self.of(STRING, depth)})"

    def _split(self, depth: int) -> str:
        separator = self._random.choice([",", "a", "ab", " "])  # see disagreements.yaml
        return f'{self.of(STRING, depth)}.split("{separator}")'

    def _map_string(self, depth: int) -> str:
        return "{{{}: {}}}".format(*self._two(STRING, depth))

    def _map_int(self, depth: int) -> str:
        return f"{{{self.of(STRING, depth)}: {self.of(INT, depth)}}}"
