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
from typing import Any

from attributes import Reads
from mixer.expr.generate_reads import ReadWriter
from mixer.expr.reads import OUT_OF_STEPS, Failure
from mixer.expr.source import compiled
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
)
from mixer.expr.values import MAX_STEPS, weight
from mixer.expr.writer import TooDeepError

__all__ = ["Generator", "TooDeepError", "function"]

Run = Callable[..., Any]


class Generator(ReadWriter):
    """Writes the body of one function; used once."""

    def __init__(self, notes: bool = True) -> None:
        super().__init__(notes)
        self.counts = False
        """Whether there are loops, whose steps are counted."""

        self._loops = 0

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

    # -- choices

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
        with self._nested("while True:", is_operand=True):
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
        counted = is_counted(tree, self._loops > 0)
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
        self._loops += 1
        held = self.value(tree.body)
        self._loops -= 1
        return held

    def _loop(self, tree: Loop) -> str:
        held = self._temporary()
        items = self.value(tree.range)
        self._line(f"{held} = {_START[tree.macro]}")
        variables = ", ".join(map(_local, tree.variables))
        with self._nested(f"for {variables} in {items}:"):
            self._loops += 1
            self._step(held)
            self._round(tree, held)
            self._loops -= 1
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
            with self._block(f"if {found}:"):
                self._take(tree, held)
        else:
            self._take(tree, held)

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


_START = {
    Macro.ALL: "True",
    Macro.EXISTS: "False",
    Macro.ONE: "0",
    Macro.LIST: "[]",
    Macro.MAP: "{}",
}


def _local(variable: Variable) -> str:
    return "v_" + variable.name.replace("@", "")


def function(tree: Tree, text: str) -> tuple[Run, str]:
    """
    Compile *tree* to a function of a bag and of bindings; return it and its source.

    *text*, what the tree was written as, stands in tracebacks. Raises TooDeepError where Python
    can't.
    """
    generator = Generator()
    result = generator.value(tree)
    lines = [*generator.lines, f"    return {result}"]
    head = ["def expression(bag, bindings=None):"]
    if generator.reads:
        head += ["    read = bag.read", "    seen = 0"]
        generator.names["READS"] = Reads(generator.reads)
        lines = list(_noting(lines))
    if generator.counts:
        head.append(f"    steps = {MAX_STEPS}")
    source = "\n".join([*head, *lines, ""])
    about = repr(text[:60])
    return compiled(source, "expression", generator.names, "expression", about), source


def _noting(lines: list[str]) -> Iterator[str]:
    """*lines* with what was seen noted before each return."""
    for line in lines:
        code = line.lstrip()
        if code.startswith("return "):
            yield line[: len(line) - len(code)] + "bag.note((READS, seen))"
        yield line
