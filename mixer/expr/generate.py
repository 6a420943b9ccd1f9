"""
Typed tree to Python source: one function of a bag for each expression.

The function returns the value, or a `Failure` that says why there is none. A failing part ends
the function at once; only inside an operand of a logic that absorbs failures it ends just that
operand, which is a loop of one round so that ``break`` can leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attributes import Bag, Duration, Timestamp, Value
from mixer.errors import ExpressionError
from mixer.expr.tree import (
    Apply,
    Attribute,
    Conditional,
    Constant,
    EmptyMap,
    Fallback,
    Has,
    Logic,
    Lookup,
    Tree,
    may_be_absent,
)
from mixer.expr.types import BOOL, DOUBLE, DURATION, INT, IP, STRING_MAP, TIMESTAMP, Type

MAX_INDENT = 90
"""Python refuses 100 levels of indentation."""

MAX_LOOPS = 18
"""Python refuses 20 nested loops."""

PYTHON_TYPES: dict[Type, type] = {
    INT: int,
    DOUBLE: float,
    BOOL: bool,
    TIMESTAMP: Timestamp,
    DURATION: Duration,
    IP: bytes,
    STRING_MAP: dict,
}
ZEROS: dict[type, Any] = {
    str: "",
    int: 0,
    float: 0.0,
    bool: False,
    Timestamp: Timestamp(0),
    Duration: Duration(0),
    bytes: b"",
    dict: {},
}


class Failure:
    """Why an expression has no value for this call."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message

    def __repr__(self) -> str:
        return f"Failure({self.message!r})"


def coerce(name: str, wanted: type, value: Value) -> Any:
    """
    Take *value* of attribute *name* as *wanted* where the wire could not tell them apart.

    INT64 and DURATION stand for each other (spec: expressions, run-time type mismatch).
    """
    if wanted in (int, Duration) and isinstance(value, int) and type(value) in (int, Duration):
        return wanted(value)
    if wanted is dict and isinstance(value, Mapping):
        return dict(value)
    kind = "integer or duration" if wanted in (int, Duration) else wanted.__name__
    return Failure(f"error converting value of {name} to {kind}: '{value!r}'")


class Generator:
    """Writes the body of one function; used once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"Failure": Failure, "coerce": coerce}
        self._indent = 1
        self._count = 0
        self._targets: list[str] = []

    def value(self, tree: Tree) -> str:
        """Write *tree* and return the Python atom that then holds its value."""
        match tree:
            case Constant():
                return self.constant(tree.value)
            case Attribute():
                return self._attribute(tree)
            case Lookup():
                return self._lookup(tree)
            case Has():
                return self._has(tree)
            case Fallback():
                return self._fallback(tree, self.value)
            case Conditional():
                return self._conditional(tree)
            case Logic():
                return self._absorbing(tree) if tree.absorbs else self._short_circuit(tree)
            case Apply():
                return self._apply(tree)
            case EmptyMap():
                return self.constant({})

    def constant(self, value: Any) -> str:
        """The name, or literal, of a constant."""
        if (
            type(value) in (int, float, bool, str, bytes)
            and value == value
            and value
            not in (
                float("inf"),
                float("-inf"),
            )
        ):
            return repr(value)
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    # -- reads of the call

    def _attribute(self, tree: Attribute) -> str:
        held, wanted = self._temporary(), PYTHON_TYPES.get(tree.type, str)
        self._line(f"{held} = bag.get({tree.name!r})")
        with self._block(f"if {held}.__class__ is not {self._type(wanted)}:"):
            with self._block(f"if {held} is None:"):
                self._absent(tree, held, wanted)
            with self._block("else:"):
                self._coerce(tree.name, wanted, held)
        return held

    def _absent(self, tree: Attribute, held: str, wanted: type) -> None:
        if tree.zero:
            self._line(f"{held} = {self.constant(ZEROS[wanted])}")
        else:
            self._fail(self.constant(Failure(f"lookup failed: '{tree.name}'")))

    def _coerce(self, name: str, wanted: type, held: str) -> None:
        self._line(f"{held} = coerce({name!r}, {self._type(wanted)}, {held})")
        with self._block(f"if {held}.__class__ is Failure:"):
            self._fail(held)

    def _lookup(self, tree: Lookup) -> str:
        source, entries = self._map(tree.operand)
        key = self.value(tree.key)
        held = self._key(source, entries, key)
        with self._block(f"if {held} is None:"):
            if tree.lenient:
                self._line(f"{held} = ''")
            else:
                self._fail(f'Failure("no such key: \'" + {key} + "\'")')
        return held

    def _map(self, tree: Tree) -> tuple[str, str]:
        """Write a map to look a key up in: the atoms of the attribute's name and of the map."""
        source, entries = self._soft_map(tree)
        attribute = tree
        while isinstance(attribute, Fallback):
            attribute = attribute.second
        if isinstance(attribute, Attribute):
            with self._block(f"if {entries} is None:"):
                self._absent(attribute, entries, dict)
                if attribute.zero:
                    self._line(f"{source} = None  # the map's absence is the reference")
        return source, entries

    def _soft_map(self, tree: Tree) -> tuple[str, str]:
        """The same, where an absent map is None."""
        source, entries = self._temporary(), self._temporary()
        match tree:
            case Attribute():
                self._line(f"{source} = {tree.name!r}")
                self._line(f"{entries} = bag.map({source})")
                with self._block(f"if {entries}.__class__ is not dict and {entries} is not None:"):
                    self._coerce(tree.name, dict, entries)
            case Fallback():
                self._assign((source, entries), self._soft_map(tree.first))
                with self._block(f"if {entries} is None:"):
                    self._assign((source, entries), self._soft_map(tree.second))
            case Conditional():
                with self._block(f"if {self.value(tree.condition)}:"):
                    self._assign((source, entries), self._map(tree.yes))
                with self._block("else:"):
                    self._assign((source, entries), self._map(tree.no))
            case _:
                self._line(f"{source} = None")
                self._line(f"{entries} = {self.value(tree)}")
        return source, entries

    def _key(self, source: str, entries: str, key: str) -> str:
        held = self._temporary()
        self._line(
            f"{held} = {entries}.get({key}) if {source} is None "
            f"else bag.key({source}, {entries}, {key})"
        )
        return held

    def _has(self, tree: Has) -> str:
        held = self._temporary()
        if isinstance(tree.of, Attribute):
            self._line(f"{held} = bag.get({tree.of.name!r}) is not None")
            return held
        source, entries = self._soft_map(tree.of.operand)
        self._line(f"{held} = False")
        with self._block(f"if {entries} is not None:"):
            self._line(
                f"{held} = {self._key(source, entries, self.value(tree.of.key))} is not None"
            )
        return held

    # -- choices

    def _soft(self, tree: Tree) -> str:
        """Write *tree* left of a fallback: its atom is None where it is absent."""
        match tree:
            case Attribute():
                held, wanted = self._temporary(), PYTHON_TYPES.get(tree.type, str)
                self._line(f"{held} = bag.get({tree.name!r})")
                test = f"{held}.__class__ is not {self._type(wanted)} and {held} is not None"
                with self._block(f"if {test}:"):
                    self._coerce(tree.name, wanted, held)
                return held
            case Lookup():
                held = self._temporary()
                self._line(f"{held} = None")
                source, entries = self._soft_map(tree.operand)
                with self._block(f"if {entries} is not None:"):
                    key = self._soft(tree.key)
                    if may_be_absent(tree.key):
                        self._line(f"if {key} is not None:")
                        self._indent += 1
                    self._assign((held,), (self._key(source, entries, key),))
                    self._indent -= may_be_absent(tree.key)
                return held
            case Fallback():
                return self._fallback(tree, self._soft)
            case _:
                return self.value(tree)

    def _fallback(self, tree: Fallback, last: Callable[[Tree], str]) -> str:
        if not may_be_absent(tree.first):
            return self.value(tree.first)
        held = self._temporary()
        self._assign((held,), (self._soft(tree.first),))
        with self._block(f"if {held} is None:"):
            self._assign((held,), (last(tree.second),))
        return held

    def _conditional(self, tree: Conditional) -> str:
        held = self._temporary()
        with self._block(f"if {self.value(tree.condition)}:"):
            self._assign((held,), (self.value(tree.yes),))
        with self._block("else:"):
            self._assign((held,), (self.value(tree.no),))
        return held

    def _short_circuit(self, tree: Logic) -> str:
        held = self._temporary()
        self._assign((held,), (self.value(tree.operands[0]),))
        for operand in tree.operands[1:]:
            with self._block(f"if {held} is {not tree.decisive}:"):
                self._assign((held,), (self.value(operand),))
        return held

    def _absorbing(self, tree: Logic) -> str:
        held = self._temporary()
        self._operand(tree.operands[0], held)
        for operand in tree.operands[1:]:
            with self._block(f"if {held} is not {tree.decisive}:"):
                other = self._temporary()
                self._operand(operand, other)
                with self._block(f"if {other} is {tree.decisive} or {held}.__class__ is bool:"):
                    self._line(f"{held} = {other}")
        with self._block(f"if {held}.__class__ is Failure:"):
            self._fail(held)
        return held

    def _operand(self, tree: Tree, held: str) -> None:
        """Write an operand whose failure must not end the function but be held in *held*."""
        if len(self._targets) >= MAX_LOOPS:
            raise ExpressionError("logic is nested too deeply; split the expression into two rules")
        with self._block("while True:"):
            self._targets.append(held)
            self._assign((held,), (self.value(tree),))
            self._targets.pop()
            self._line("break")

    # -- functions

    def _apply(self, tree: Apply) -> str:
        overload, held = tree.overload, self._temporary()
        ready = overload.prepared is not None and isinstance(tree.args[overload.prepared], Constant)
        atoms = [
            self.constant(overload.prepare(argument.value))
            if ready and at == overload.prepared and isinstance(argument, Constant)
            else self.value(argument)
            for at, argument in enumerate(tree.args)
        ]
        if ready and overload.constant_code:
            self._line(f"{held} = {overload.constant_code.format(*atoms)}")
            return held
        self.names |= overload.helpers
        code = f"{held} = {overload.code.format(*atoms)}"
        if not overload.fails:
            self._line(code)
            return held
        with self._block("try:"):
            self._line(code)
        with self._block("except (ValueError, OverflowError) as error:"):
            self._line(f"{held} = Failure(str(error))")
        with self._block(f"if {held}.__class__ is Failure:"):
            self._fail(held)
        return held

    # -- writing

    def _type(self, wanted: type) -> str:
        self.names[wanted.__name__] = wanted
        return wanted.__name__

    def _fail(self, failure: str) -> None:
        if not self._targets:
            self._line(f"return {failure}")
            return
        if failure != self._targets[-1]:
            self._line(f"{self._targets[-1]} = {failure}")
        self._line("break")

    def _assign(self, targets: tuple[str, ...], values: tuple[str, ...]) -> None:
        self._line(f"{', '.join(targets)} = {', '.join(values)}")

    def _temporary(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def _line(self, code: str) -> None:
        self.lines.append("    " * self._indent + code)

    @contextmanager
    def _block(self, head: str) -> Iterator[None]:
        if self._indent >= MAX_INDENT:
            raise ExpressionError("nested too deeply; split the expression")
        self._line(head)
        self._indent += 1
        yield
        self._indent -= 1


def function(tree: Tree, name: str) -> tuple[Callable[[Bag], Any], str]:
    """Compile *tree*; return the function and its source. *name* stands in tracebacks."""
    generator = Generator()
    result = generator.value(tree)
    body = "\n".join([*generator.lines, f"    return {result}"])
    source = f"def expression(bag):\n{body}\n"
    exec(compile(source, name, "exec"), generator.names)
    compiled: Callable[[Bag], Any] = generator.names["expression"]
    return compiled, source
