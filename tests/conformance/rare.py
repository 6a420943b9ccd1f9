"""
Random expressions of what is written more rarely: dyn, types, null, optionals, nested lists, maps
with numbers for keys, odd literals and texts of numbers and times.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

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
from tests.conformance.expressions import INT_MAP, INTS, STRINGS, Expressions

NESTED, DOUBLES, BY_INT = list_of(INTS), list_of(DOUBLE), map_of(INT, STRING)
_NUMBERS = [INT, UINT, DOUBLE]
_SCALARS = [*_NUMBERS, BOOL, STRING, BYTES, TIMESTAMP, DURATION]
_OF_NUMBERS = ["5", "-5", "+5", "5.", ".5", "1e3", "007", "-0", "nan", "1_0", "9" * 19, ""]
_OF_TIMES = [
    "2020-02-29T00:00:00Z", "2021-02-29T00:00:00Z", "2020-01-01T00:00:00+01:30", "2020-01-01",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2020-01-01T24:00:00Z", "",
]  # fmt: skip
_OF_DURATIONS = ["1h", "-1.5h", "1h2m", "1", "0", "1d", ".5s", "1s1h", "+1s", "1e3s", "-", ""]
_TEXTS = ["r'\\d'", "'''a\n'b'''", "'\\x41\\u00e9'", '"\\101\\n"', 'R"a\'b"', "'\\U0001F600'"]
_TYPES = ["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"]
_FORMS = ["%s", "%d", "%x", "%X", "%o", "%b", "%f", "%.2f", "%e", "%.3e", "%%"]


class RareExpressions(Expressions):
    """`Expressions` with the rarer ones among them."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        rarer: dict[Type, list[Callable[[int], str]]] = {
            BOOL: [self._of_dyn, self._of_types, self._of_null, self._present, self._of_nested,
                   self._kind_of_double, self._nested_quantifier],
            INT: [self._or_value(INT), self._number_of_text, self._size_of_nested,
                  self._with_keys],
            UINT: [self._bits_of_uints, self._greatest(UINT)],
            DOUBLE: [self._special, self._greatest(DOUBLE), self._item_double],
            STRING: [self._or_value(STRING), self._odd_text, self._formatted, self._quoted,
                     self._by_int],
            BYTES: [self._decoded],
            TIMESTAMP: [self._time_of_text],
            DURATION: [self._duration_of_text],
            INTS: [self._item_of_nested, self._with_optional],
            STRING_MAP: [self._map_with_optional],
            NESTED: [self._nested, self._mapped_to_lists, self._filtered(NESTED)],
            DOUBLES: [self._list_double, self._filtered(DOUBLES), self._joined(DOUBLES)],
            BY_INT: [self._map_by_int],
        }  # fmt: skip
        for type_, makers in rarer.items():
            self._makers.setdefault(type_, []).extend(makers)

    def of(self, type_: Type, depth: int) -> str:
        """An expression of *type_*, sometimes behind ``dyn``."""
        made = super().of(type_, depth)
        return f"dyn({made})" if self._random.random() < 0.02 else made

    def _literal(self, type_: Type) -> str:
        if type_ == BY_INT:
            return f"{{{super()._literal(INT)}: {super()._literal(STRING)}}}"
        return super()._literal(type_)

    def _any(self, depth: int) -> str:
        return self.of(self._random.choice(list(self._makers)), depth)

    # -- booleans

    def _of_dyn(self, depth: int) -> str:
        sign = self._random.choice(["==", "!=", "<", "<=", ">", ">="])
        among = _NUMBERS if sign[0] in "<>" else list(self._makers)
        left, right = (self.of(self._random.choice(among), depth) for _ in range(2))
        return f"(dyn({left}) {sign} {right})"

    def _of_types(self, depth: int) -> str:
        other = self._random.choice([f"type({self._any(depth)})", *_TYPES])
        return f"(type({self._any(depth)}) == {other})"

    def _of_null(self, depth: int) -> str:
        return f"(dyn({self._any(depth)}) {self._random.choice(['==', '!='])} null)"

    def _present(self, depth: int) -> str:
        type_ = self._random.choice([INT, STRING])
        return f"{self._optional(type_, depth)}.hasValue()"

    def _of_nested(self, depth: int) -> str:
        type_ = self._random.choice([NESTED, DOUBLES, BY_INT, STRINGS, INT_MAP])
        if type_ == NESTED and self._random.random() < 0.5:
            return f"({self.of(INTS, depth)} in {self.of(NESTED, depth)})"
        sign = self._random.choice(["==", "!="])
        return f"({self.of(type_, depth)} {sign} {self.of(type_, depth)})"

    def _kind_of_double(self, depth: int) -> str:
        name = self._random.choice(["isNaN", "isInf", "isFinite"])
        return f"math.{name}({self.of(DOUBLE, depth)})"

    def _nested_quantifier(self, depth: int) -> str:
        outer, within = self._random.choices(["all", "exists", "exists_one"], k=2)
        self._scope.append(("r", INTS))
        inner = f"r.{within}(e, {self._within('e', INT, BOOL, depth)})"
        self._scope.pop()
        return f"{self.of(NESTED, depth)}.{outer}(r, {inner})"

    # -- optionals

    def _optional(self, type_: Type, depth: int) -> str:
        pick = self._random.choice
        container, mapping = (INTS, INT_MAP) if type_ == INT else (STRINGS, STRING_MAP)
        value = self.of(type_, depth)
        return pick([
            f"optional.of({value})",
            f"optional.ofNonZeroValue({value})",
            f"{self.of(container, depth)}[?{self._random.randrange(3)}]",
            f"{self.of(mapping, depth)}[?{self.of(STRING, depth)}]",
            f"{self.of(mapping, depth)}.?{pick(['a', 'k'])}",
            f"optional.of({value}).optMap(o, {self._within('o', type_, type_, depth)})",
            f"{self.of(mapping, depth)}.?a.or(optional.of({value}))",
            "optional.none()",
        ])  # fmt: skip

    def _or_value(self, type_: Type) -> Callable[[int], str]:
        def or_value(depth: int) -> str:
            found = self._optional(type_, depth)
            if self._random.random() < 0.2:
                return f"{found}.value()"
            return f"{found}.orValue({self.of(type_, depth)})"

        return or_value

    def _with_optional(self, depth: int) -> str:
        return f"[{self.of(INT, depth)}, ?{self._optional(INT, depth)}]"

    def _map_with_optional(self, depth: int) -> str:
        return f'{{?"a": {self._optional(STRING, depth)}, "b": {self.of(STRING, depth)}}}'

    # -- numbers

    def _number_of_text(self, depth: int) -> str:
        kind = self._random.choice(["int", "int", "int(uint", "int(double"])
        return f'{kind}("{self._random.choice(_OF_NUMBERS)}"){")" * kind.count("(")}'

    def _size_of_nested(self, depth: int) -> str:
        return f"size({self.of(self._random.choice([NESTED, DOUBLES, BY_INT, INT_MAP]), depth)})"

    def _bits_of_uints(self, depth: int) -> str:
        name = self._random.choice(["bitAnd", "bitOr", "bitXor"])
        return "math.{}({}, {})".format(name, *self._two(UINT, depth))

    def _greatest(self, type_: Type) -> Callable[[int], str]:
        def greatest(depth: int) -> str:
            name = self._random.choice(["greatest", "least"])
            return "math.{}({}, {})".format(name, *self._two(type_, depth))

        return greatest

    def _special(self, depth: int) -> str:
        return self._random.choice(["(0.0/0.0)", "(1.0/0.0)", "(-1.0/0.0)", "5e-324"])

    def _item_double(self, depth: int) -> str:
        return f"{self.of(DOUBLES, depth)}[{self._random.randrange(-1, 3)}]"

    # -- texts and bytes

    def _odd_text(self, depth: int) -> str:
        return self._random.choice(_TEXTS)

    def _formatted(self, depth: int) -> str:
        args = [self.of(self._random.choice([*_SCALARS, INTS, STRINGS]), depth) for _ in range(2)]
        forms = self._random.choices(_FORMS, k=2)
        return f'"{forms[0]} {forms[1]}".format([{", ".join(args)}])'

    def _quoted(self, depth: int) -> str:
        return f"strings.quote({self.of(STRING, depth)})"

    def _by_int(self, depth: int) -> str:
        key = self.of(self._random.choice([INT, INT, UINT]), depth)
        return f"{self.of(BY_INT, depth)}[dyn({key})]"

    def _decoded(self, depth: int) -> str:
        return f"base64.decode(base64.encode({self.of(BYTES, depth)}))"

    # -- times

    def _time_of_text(self, depth: int) -> str:
        return f'timestamp("{self._random.choice(_OF_TIMES)}")'

    def _duration_of_text(self, depth: int) -> str:
        return f'duration("{self._random.choice(_OF_DURATIONS)}")'

    # -- lists and maps

    def _nested(self, depth: int) -> str:
        return "[{}, {}]".format(*self._two(INTS, depth))

    def _item_of_nested(self, depth: int) -> str:
        return f"{self.of(NESTED, depth)}[{self._random.randrange(-1, 3)}]"

    def _mapped_to_lists(self, depth: int) -> str:
        return f"{self.of(INTS, depth)}.map(e, {self._within('e', INT, INTS, depth)})"

    def _list_double(self, depth: int) -> str:
        return "[{}, {}]".format(*self._two(DOUBLE, depth))

    def _map_by_int(self, depth: int) -> str:
        return f"{{{self.of(INT, depth)}: {self.of(STRING, depth)}}}"

    def _with_keys(self, depth: int) -> str:
        """Of a map's keys only what their order, which nothing promises, has no part in."""
        mapping, key = self._random.choice([(STRING_MAP, STRING), (INT_MAP, STRING), (BY_INT, INT)])
        whole = self.of(mapping, depth)
        if self._random.random() < 0.5:
            return f"size({whole}.map(e, {self._within('e', key, INT, depth)}))"
        return f"size({whole}.filter(e, {self._within('e', key, BOOL, depth)}))"
