"""
Typed tree to Python source: one function of a bag for each expression.

The function returns the value, or a `Failure` that says why there is none. A failing part ends
the function at once; only where failures are absorbed it ends just that operand, which is a loop
of one round so that ``break`` can leave it. Reads set bits in ``seen``, which are noted in the bag
when the function returns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mixer.expr.reads import (
    FAILURES,
    OUT_OF_STEPS,
    ZEROS,
    Failure,
    coerce,
    lookup_failed,
    no_such_key,
    python_type,
)
from mixer.expr.standard import as_key
from mixer.expr.tree import (
    Apply,
    Attribute,
    Bind,
    Binding,
    Conditional,
    Constant,
    Fallback,
    Has,
    Logic,
    Lookup,
    Loop,
    Macro,
    Maybe,
    Tree,
    Variable,
    is_counted,
    may_be_absent,
)
from mixer.expr.values import MAX_STEPS, NONE, Optional, weight

MAX_INDENT = 90
"""Python refuses 100 levels of indentation."""

MAX_BLOCKS = 18
"""Python refuses 20 nested loops and tries."""

Run = Callable[..., Any]


class TooDeepError(Exception):
    """The expression is nested deeper than Python's own limits; `evaluate` must do it."""


class Generator:
    """Writes the body of one function; used once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.reads: dict[tuple[str, str | None], int] = {}
        self.names: dict[str, Any] = {"Failure": Failure, "coerce": coerce, "FAILURES": FAILURES}
        self.counts = False
        """Whether there are loops, whose steps are counted."""

        self._indent = 1
        self._serial = 0
        self._blocks = 0
        self._scopes = 0
        self._targets: list[str] = []

    def value(self, tree: Tree) -> str:
        """Write *tree* and return the Python atom that then holds its value."""
        match tree:
            case Constant():
                return self.constant(tree.value)
            case Attribute():
                return self._attribute(tree)
            case Binding():
                return f"bindings[{tree.name!r}]"
            case Variable():
                if tree.may_fail:
                    self._fail_if(_local(tree))
                return _local(tree)
            case Lookup():
                return self._lookup(tree)
            case Has():
                return self._has(tree)
            case Maybe():
                return self._maybe(tree)
            case Fallback():
                return self._fallback(tree, self.value)
            case Conditional():
                return self._conditional(tree)
            case Logic():
                return self._absorbing(tree) if tree.absorbs else self._short_circuit(tree)
            case Apply():
                return self._apply(tree)
            case Bind():
                return self._bind(tree)
            case Loop():
                return self._loop(tree)

    def constant(self, value: Any) -> str:
        """The name, or literal, of a constant."""
        if value is None or (value.__class__ in (int, bool, str, bytes)):
            return repr(value)
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    # -- reads of the call

    def _attribute(self, tree: Attribute) -> str:
        held, wanted = self._read(tree.name), python_type(tree.type)
        with self._block(f"if {held}.__class__ is {self._type(wanted)}:"):
            self._see(tree.name, found=True)
        with self._block(f"elif {held} is None:"):
            self._see(tree.name, found=False)
            if tree.zero:
                self._line(f"{held} = {self.constant(ZEROS[wanted])}")
            else:
                self._fail(self.constant(lookup_failed(tree.name)))
        with self._block("else:"):
            self._see(tree.name, found=True)
            self._coerce(tree.name, wanted, held)
        return held

    def _read(self, name: str) -> str:
        held = self._temporary()
        self._line(f"{held} = read({name!r})")
        return held

    def _see(self, name: str, found: bool, key: str | None = None) -> None:
        at = self.reads.setdefault((name, key), len(self.reads))
        self._line(f"seen |= {1 << 2 * at + (not found)}")

    def _coerce(self, name: str, wanted: type, held: str) -> None:
        self._line(f"{held} = coerce({name!r}, {self._type(wanted)}, {held})")
        self._fail_if(held)

    def _lookup(self, tree: Lookup) -> str:
        if isinstance(tree.operand, Attribute) and isinstance(tree.key, Constant):
            entries = self._read_map(tree.operand, absent=self._map_is_missing, lookup=tree)
            return self._static_key(tree.operand.name, entries, tree)
        source, entries = self._soft_map(tree.operand)
        attribute = _last(tree.operand)
        if attribute is not None:
            with self._block(f"if {entries} is None:"):
                if attribute.zero:
                    self._line(f"{entries} = {self.constant({})}")
                    self._line(f"{source} = None  # the map's absence is the reference")
                else:
                    self._fail(self.constant(lookup_failed(attribute.name)))
        key = self.value(tree.key)
        held = self._key(source, entries, key)
        with self._block(f"if {held} is None:"):
            self._key_is_missing(tree, held, key)
        return held

    def _read_map(
        self, tree: Attribute, absent: Callable[[Attribute, Lookup], None], lookup: Lookup
    ) -> str:
        entries = self._read(tree.name)
        with self._block(f"if {entries}.__class__ is not dict:"):
            with self._block(f"if {entries} is None:"):
                self._see(tree.name, found=False)
                absent(tree, lookup)
            self._coerce(tree.name, dict, entries)
        return entries

    def _map_is_missing(self, tree: Attribute, lookup: Lookup) -> None:
        assert isinstance(lookup.key, Constant)
        failure = no_such_key(lookup.key.value) if tree.zero else lookup_failed(tree.name)
        self._fail(self.constant(failure))

    def _static_key(self, name: str, entries: str, tree: Lookup) -> str:
        assert isinstance(tree.key, Constant)
        held, key = self._temporary(), tree.key.value
        self._line(f"{held} = {entries}.get({key!r})")
        with self._block(f"if {held} is None:"):
            self._see(name, found=False, key=key)
            self._key_is_missing(tree, held, repr(key))
        with self._block("else:"):
            self._see(name, found=True, key=key)
        return held

    def _key_is_missing(self, tree: Lookup, held: str, key: str) -> None:
        if tree.lenient:
            self._line(f"{held} = ''")
        else:
            self.names["no_such_key"] = no_such_key
            self._fail(f"no_such_key({key})")

    def _soft_map(self, tree: Tree) -> tuple[str, str]:
        """
        Write a map to look a key up in: the atoms of its attribute's name and of the map.

        A map that is absent is None; one that is no attribute of the call has None for a name.
        """
        source, entries = self._temporary(), self._temporary()
        match tree:
            case Attribute():
                self._line(f"{source} = {tree.name!r}")
                self._line(f"{entries} = read({source})")
                with self._block(f"if {entries} is None:"):
                    self._see(tree.name, found=False)
                with self._block(f"elif {entries}.__class__ is not dict:"):
                    self._coerce(tree.name, dict, entries)
            case Fallback() if may_be_absent(tree.first):
                self._line(f"{source}, {entries} = {', '.join(self._soft_map(tree.first))}")
                with self._block(f"if {entries} is None:"):
                    self._line(f"{source}, {entries} = {', '.join(self._soft_map(tree.second))}")
            case Fallback():
                return self._soft_map(tree.first)
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
        if isinstance(tree.of, Attribute):
            held = self._present(tree.of)
        else:
            held = self._soft_lookup(tree.of, self.value, soft_key=False)
        self._line(f"{held} = {held} is not None")
        return held

    def _maybe(self, tree: Maybe) -> str:
        if isinstance(tree.of, Attribute):
            held = self._soft(tree.of)
        else:
            held = self._soft_lookup(tree.of, self.value, soft_key=False)
        self.names |= {"Optional": Optional, "NONE": NONE}
        self._line(f"{held} = NONE if {held} is None else Optional({held})")
        return held

    def _present(self, tree: Attribute) -> str:
        held = self._read(tree.name)
        with self._block(f"if {held} is None:"):
            self._see(tree.name, found=False)
        with self._block("else:"):
            self._see(tree.name, found=True)
        return held

    # -- choices

    def _soft(self, tree: Tree) -> str:
        """Write *tree* left of a fallback: its atom is None where it is absent."""
        match tree:
            case Attribute():
                held, wanted = self._present(tree), python_type(tree.type)
                test = f"{held}.__class__ is not {self._type(wanted)} and {held} is not None"
                with self._block(f"if {test}:"):
                    self._coerce(tree.name, wanted, held)
                return held
            case Lookup():
                return self._soft_lookup(tree, self._soft, soft_key=may_be_absent(tree.key))
            case Fallback():
                return self._fallback(tree, self._soft)
            case _:
                return self.value(tree)

    def _soft_lookup(self, tree: Lookup, key: Callable[[Tree], str], soft_key: bool) -> str:
        """The value of a key or None; with a *soft_key* an absent key is None as well."""
        held = self._temporary()
        self._line(f"{held} = None")
        source, entries = self._soft_map(tree.operand)
        with self._block(f"if {entries} is not None:"):
            wanted = key(tree.key)
            if soft_key:
                asked = self._temporary()
                self._assign(asked, wanted)
                wanted = asked
                self._line(f"if {wanted} is not None:")
                self._indent += 1
            self._assign(held, self._key(source, entries, wanted))
            self._indent -= soft_key
        return held

    def _fallback(self, tree: Fallback, last: Callable[[Tree], str]) -> str:
        if not may_be_absent(tree.first):
            return self.value(tree.first)
        held = self._temporary()
        self._assign(held, self._soft(tree.first))
        with self._block(f"if {held} is None:"):
            self._assign(held, last(tree.second))
        return held

    def _conditional(self, tree: Conditional) -> str:
        held = self._temporary()
        with self._block(f"if {self.value(tree.condition)}:"):
            self._assign(held, self.value(tree.yes))
        with self._block("else:"):
            self._assign(held, self.value(tree.no))
        return held

    def _short_circuit(self, tree: Logic) -> str:
        held = self._temporary()
        self._assign(held, self.value(tree.operands[0]))
        for operand in tree.operands[1:]:
            with self._block(f"if {held} is {not tree.decisive}:"):
                self._assign(held, self.value(operand))
        return held

    def _absorbing(self, tree: Logic) -> str:
        held, other = self._temporary(), self._temporary()
        self._operand(tree.operands[0], held)
        for operand in tree.operands[1:]:
            with self._block(f"if {held} is not {tree.decisive}:"):
                self._operand(operand, other)
                with self._block(
                    f"if {other} is {tree.decisive} or {held} is {not tree.decisive}:"
                ):
                    self._line(f"{held} = {other}")
        with self._block(f"if {held} is not True and {held} is not False:"):
            self._fail(held)
        return held

    def _operand(self, tree: Tree, held: str) -> None:
        """Write an operand whose failure must not end the function but be held in *held*."""
        with self._nested("while True:"):
            self._targets.append(held)
            self._assign(held, self.value(tree))
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
        counted = is_counted(tree, self._scopes > 0)
        if counted:
            self._count(*atoms)
        if ready and overload.constant_code:
            self._line(f"{held} = {overload.constant_code.format(*atoms)}")
            return held
        code = f"{held} = {self._code(tree, atoms)}"
        if overload.fails:
            with self._nested("try:"):
                self._line(code)
            with self._block("except FAILURES as error:"):
                self._fail("Failure(str(error))")
        else:
            self._line(code)
        if counted:
            self._count(held)
        return held

    def _code(self, tree: Apply, atoms: list[str]) -> str:
        """The code of an overload, its helpers under names of their own where two would clash."""
        code = tree.overload.code
        for name, helper in tree.overload.helpers.items():
            if self.names.setdefault(name, helper) is not helper:
                renamed = f"{name}_{len(self.names)}"
                self.names[renamed] = helper
                code = re.sub(rf"\b{name}\b", renamed, code)
        return code.format(*atoms)

    # -- variables and loops

    def _bind(self, tree: Bind) -> str:
        self._operand(tree.value, _local(tree.variable))
        self._scopes += 1
        held = self.value(tree.body)
        self._scopes -= 1
        return held

    def _loop(self, tree: Loop) -> str:
        held = self._temporary()
        items = self.value(tree.range)
        self._line(f"{held} = {_START[tree.macro]}")
        variables = ", ".join(map(_local, tree.variables))
        with self._nested(f"for {variables} in {items}:"):
            self._scopes += 1
            self._step(held)
            self._round(tree, held)
            self._scopes -= 1
        self._fail_if(held)
        if tree.macro is Macro.LIST:
            self._line(f"{held} = tuple({held})")
        elif tree.macro is Macro.ONE:
            self._line(f"{held} = {held} == 1")
        return held

    def _step(self, held: str) -> None:
        self.counts = True
        self._line("steps -= 1")
        with self._block("if steps < 0:"):
            self._line(f"{held} = {self.constant(Failure(OUT_OF_STEPS))}")
            self._line("break")

    def _count(self, *atoms: str) -> None:
        """Count what a function takes or makes, as a loop or a binding may repeat it."""
        self.counts = True
        self.names["weight"] = weight
        self._line(f"steps -= weight({', '.join(atoms)})")
        with self._block("if steps < 0:"):
            self._fail(self.constant(Failure(OUT_OF_STEPS)))

    def _round(self, tree: Loop, held: str) -> None:
        """What is done with one item."""
        found = self._temporary()
        if tree.macro in (Macro.ALL, Macro.EXISTS):
            assert tree.condition is not None
            decisive = tree.macro is Macro.EXISTS
            self._operand(tree.condition, found)
            with self._block(f"if {found} is {decisive}:"):
                self._line(f"{held} = {found}")
                self._line("break")
            with self._block(f"if {found}.__class__ is Failure:"):
                self._line(f"{held} = {found}")
            return
        if tree.condition is not None:
            self._guarded(tree.condition, found, held)
            self._line(f"if {found}:")
            self._indent += 1
        self._take(tree, held)
        self._indent -= tree.condition is not None

    def _take(self, tree: Loop, held: str) -> None:
        """What is done with an item whose condition holds."""
        match tree.macro:
            case Macro.LIST:
                assert tree.result is not None
                found = self._temporary()
                self._guarded(tree.result, found, held)
                self._line(f"{held}.append({found})")
            case Macro.MAP:
                assert tree.result is not None
                assert tree.key is not None
                key, found = self._temporary(), self._temporary()
                self.names["as_key"] = as_key
                self._guarded(tree.result, found, held)
                with self._nested("try:"):
                    self._line(f"{key} = as_key({self.value(tree.key)})")
                with self._block("except FAILURES as error:"):
                    self._line(f"{held} = Failure(str(error))")
                    self._line("break")
                self._line(f"{held}[{key}] = {found}")
            case _:
                self._line(f"{held} += 1")

    def _guarded(self, tree: Tree, found: str, held: str) -> None:
        """Write a part of a round whose failure ends the loop, and is what the loop is worth."""
        self._operand(tree, found)
        with self._block(f"if {found}.__class__ is Failure:"):
            self._line(f"{held} = {found}")
            self._line("break")

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

    def _fail_if(self, held: str) -> None:
        with self._block(f"if {held}.__class__ is Failure:"):
            self._fail(held)

    def _assign(self, target: str, atom: str) -> None:
        """Let *target* be *atom*, which nothing else uses, so that its own line may say so."""
        own = "    " * self._indent + f"{atom} = "
        if self.lines and self.lines[-1].startswith(own):
            self._line(f"{target} = {self.lines.pop()[len(own) :]}")
        else:
            self._line(f"{target} = {atom}")

    def _temporary(self) -> str:
        self._serial += 1
        return f"t{self._serial}"

    def _line(self, code: str) -> None:
        self.lines.append("    " * self._indent + code)

    @contextmanager
    def _block(self, head: str) -> Iterator[None]:
        if self._indent >= MAX_INDENT:
            raise TooDeepError
        self._line(head)
        self._indent += 1
        yield
        self._indent -= 1

    @contextmanager
    def _nested(self, head: str) -> Iterator[None]:
        """A block of a kind that Python counts."""
        if self._blocks >= MAX_BLOCKS:
            raise TooDeepError
        self._blocks += 1
        with self._block(head):
            yield
        self._blocks -= 1


_START = {
    Macro.ALL: "True",
    Macro.EXISTS: "False",
    Macro.ONE: "0",
    Macro.LIST: "[]",
    Macro.MAP: "{}",
}


def _local(variable: Variable) -> str:
    return "v_" + variable.name.replace("@", "")


def _last(tree: Tree) -> Attribute | None:
    """The attribute whose absence makes a map absent."""
    while isinstance(tree, Fallback) and may_be_absent(tree.first):
        tree = tree.second
    return tree if isinstance(tree, Attribute) else None


def function(tree: Tree, name: str) -> tuple[Run, str]:
    """
    Compile *tree* to a function of a bag and of bindings; return it and its source.

    *name* stands in tracebacks. Raises TooDeepError where Python can't.
    """
    generator = Generator()
    result = generator.value(tree)
    lines = [*generator.lines, f"    return {result}"]
    head = ["def expression(bag, bindings=None):"]
    if generator.reads:
        head += ["    read = bag.read", "    seen = 0"]
        generator.names["READS"] = tuple(generator.reads)
        lines = list(_noting(lines))
    if generator.counts:
        head.append(f"    steps = {MAX_STEPS}")
    source = "\n".join([*head, *lines, ""])
    exec(compile(source, name, "exec"), generator.names)
    compiled: Run = generator.names["expression"]
    return compiled, source


def _noting(lines: list[str]) -> Iterator[str]:
    """*lines* with what was seen noted before each return."""
    for line in lines:
        code = line.lstrip()
        if code.startswith("return "):
            yield line[: len(line) - len(code)] + "bag.note((READS, seen))"
        yield line
