"""Lines of a Python function, with the blocks and names that generated code needs."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mixer.expr.reads import FAILURES, Failure, coerce

MAX_INDENT = 90
"""Python refuses 100 levels of indentation."""

MAX_BLOCKS = 18
"""Python refuses 20 nested loops and tries."""


class TooDeepError(Exception):
    """The expression is nested deeper than Python's own limits; `evaluate` must do it."""


@dataclass(slots=True)
class Scope:
    """What atoms hold within one block."""

    is_operand: bool = False
    """Whether the block is run once, and a failure leaves it."""

    may_be_left: bool = False
    """Whether a failure can have left the block before its end."""

    kept: dict[Hashable, str] = field(default_factory=dict)
    lasting: dict[Hashable, str] = field(default_factory=dict)
    """What is held after the block as well, however it ends."""


class Writer:
    """
    The body of one function while it is written.

    An atom is a name or a literal that holds a value; writing a part gives its atom.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "Failure": Failure,
            "coerce": coerce,
            "FAILURES": FAILURES,
        }
        """What the function finds by name."""

        self._indent = 1
        self._scopes = [Scope()]
        self._serial = 0
        self._blocks = 0
        self._targets: list[str] = []
        """Where the failure of the operand that is being written goes, innermost last."""

    def constant(self, value: Any) -> str:
        """The name, or literal, of a constant."""
        if value is None or (value.__class__ in (int, bool, str, bytes)):
            return repr(value)
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    def _type(self, wanted: type) -> str:
        self.names[wanted.__name__] = wanted
        return wanted.__name__

    def _fail(self, failure: str) -> None:
        if not self._targets:
            self._line(f"return {failure}")
            return
        for scope in reversed(self._scopes):
            scope.may_be_left = True
            if scope.is_operand:
                break
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

    def _known(self, what: Hashable) -> str | None:
        """The atom that holds *what* on every way here, None where there is none."""
        return next((scope.kept[what] for scope in self._scopes if what in scope.kept), None)

    def _keep(self, what: Hashable, atom: str) -> None:
        """Say that *atom* holds *what* from here to the end of the block, and further if it can."""
        scope = self._scopes[-1]
        scope.kept[what] = atom
        if not scope.may_be_left:
            scope.lasting[what] = atom

    @contextmanager
    def _block(self, head: str, is_operand: bool = False) -> Iterator[Scope]:
        if self._indent >= MAX_INDENT:
            raise TooDeepError
        self._line(head)
        self._indent += 1
        scope = Scope(is_operand)
        self._scopes.append(scope)
        yield scope
        self._indent -= 1
        self._scopes.pop()
        if is_operand:
            for what, atom in scope.lasting.items():
                self._keep(what, atom)

    @contextmanager
    def _nested(self, head: str, is_operand: bool = False) -> Iterator[Scope]:
        """A block of a kind that Python counts."""
        if self._blocks >= MAX_BLOCKS:
            raise TooDeepError
        self._blocks += 1
        with self._block(head, is_operand) as scope:
            yield scope
        self._blocks -= 1
