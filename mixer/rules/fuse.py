"""
The fast way to find what rules have to do: one generated function for all rules of a scope.

It does what `mixer.rules.plain` does, rule by rule, and saves the calls between expressions, and
reads that an earlier rule has made. A rule in shadow mode, or one that is too deep for Python, goes
the plain way within the function.

Law: same calls, same instances, same references, same faults as the plain way, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

from attributes import Bag, Reads
from mixer.expr.generate import Generator, TooDeepError
from mixer.expr.reads import Failure
from mixer.expr.source import compiled
from mixer.expr.tree import Constant, Tree
from mixer.expr.values import MAX_STEPS
from mixer.instances.compile import Entries, Leaf, Part, Struct, unbuilt
from mixer.rules import plain
from mixer.rules.routes import Call, Found, Gather, Route, unmatched

ROUTES_PER_FUNCTION = 50
"""Python holds its lock while it compiles a function; calls go on between two of them."""

MAX_CHAIN = 10
"""Instances that lie within one another in the code; Python limits that."""


def gatherer(routes: tuple[Route, ...], notes: bool = True) -> Gather:
    """
    A function that finds what *routes* have to do for a call; takes 0.5 ms for a rule.

    Without *notes* it does not say what it has read, which only an answer depends on.
    """
    functions = [_function(part, notes) for part in _parts(routes)]
    if len(functions) == 1:
        return functions[0]

    def gather(bag: Bag, quota: str | None, found: Found) -> None:
        for function in functions:
            function(bag, quota, found)

    return gather


def builder(route: Route, calls: Sequence[Call]) -> Gather:
    """A function that adds only these *calls* of *route*, which matches and reports."""
    writer = _Writer(notes=False)
    writer.calls_or_plain(route, calls)
    return _compiled(writer, route.name)


def _parts(routes: Sequence[Route]) -> Iterator[Sequence[Route]]:
    for start in range(0, len(routes), ROUTES_PER_FUNCTION):
        yield routes[start : start + ROUTES_PER_FUNCTION]


def _function(routes: Sequence[Route], notes: bool) -> Gather:
    writer = _Writer(notes)
    for route in routes:
        writer.route(route)
    return _compiled(writer, routes[0].name if routes else "none")


def _compiled(writer: _Writer, first: str) -> Gather:
    head = [
        "def gather(bag, quota, found):",
        "    read, pending = bag.read, found.pending",
        "    seen = 0",
    ]
    tail = ["    bag.note((READS, seen))"] if writer.notes else []
    source = "\n".join([*head, *writer.lines, *tail, ""])
    writer.names["READS"] = Reads(writer.reads)
    return compiled(source, "gather", writer.names, "rules", f"{first}...")


class _Writer(Generator):
    """Writes the body of one function, route by route."""

    def __init__(self, notes: bool) -> None:
        super().__init__(notes)
        self._field = ""
        """What notes, where a field has no value, which one it was."""

        self._trees: list[Tree] = []
        self.names |= {
            "Failure": Failure,
            "take": plain.take,
            "build": plain.build,
            "unmatched": unmatched,
            "unbuilt": unbuilt,
        }

    def calls_or_plain(self, route: Route, calls: Sequence[Call]) -> None:
        """Write what adds *calls* of a route that matches, the plain way if they are too deep."""
        try:
            with self._undone_if_too_deep():
                self.calls(route, calls)
        except TooDeepError:
            own = self.constant(route)
            for call in calls:
                self._line(f"build({own}, {self.constant(call)}, bag, found)")

    def calls(self, route: Route, calls: Sequence[Call]) -> None:
        """Write what adds *calls* of a route that matches."""
        for start in range(0, len(calls), MAX_CHAIN):
            self._chain(route, calls[start : start + MAX_CHAIN])

    def route(self, route: Route) -> None:
        """Write what one route does."""
        self._line(f"# {route.name}")
        if not route.is_shadow:
            try:
                with self._undone_if_too_deep():
                    self._route(route)
                return
            except TooDeepError:
                pass
        self._line(f"take({self.constant(route)}, bag, quota, found)")

    @contextmanager
    def _undone_if_too_deep(self) -> Iterator[None]:
        lines, scopes = len(self.lines), deepcopy(self._scopes)
        indent, blocks, loops = self._indent, self._blocks, self._loops
        try:
            yield
        except TooDeepError:
            del self.lines[lines:]
            self._scopes, self._targets = scopes, []
            self._indent, self._blocks, self._loops = indent, blocks, loops
            raise

    def _route(self, route: Route) -> None:
        if route.match is None:
            self._matched(route)
            return
        what = "match", self._number(route.match.tree)
        matches = self._known(what)
        if matches is None:
            matches = self._temporary()
            self._expression(route.match.tree, matches)
            self._keep(what, matches)
        own = self.constant(route)
        with self._block(f"if {matches} is not False:"):  # one test, where most rules end
            with self._block(f"if {matches} is True:"):
                self._matched(route)
            with self._block("else:"):
                self._line(f"found.unmatched({own}, unmatched({own}, {matches}))")

    def _matched(self, route: Route) -> None:
        """Write what a route does whose condition holds."""
        takes = [f"{self.constant(sampler)}(bag)" for sampler in route.samplers]
        with self._block(f"if {' and '.join(takes) or True}:"):
            self._line("found.rules += 1")
            if route.changes_headers:
                self._line(f"found.heads += (({self.constant(route)}, bag),)")
            if route.calls and route.calls[0].quota:
                for call in route.calls:
                    with self._block(f"if quota is None or quota == {call.quota!r}:"):
                        self._chain(route, [call])
            else:
                self.calls(route, route.calls)

    def _fail(self, failure: str) -> None:
        if self._field and len(self._targets) == 1:
            self._line(self._field)
        super()._fail(failure)

    def _expression(self, tree: Tree, held: str) -> None:
        """Let *held* be the value of *tree*, or its failure."""
        with self._steps():
            self._operand(tree, held)

    @contextmanager
    def _steps(self) -> Iterator[None]:
        """Give one expression all the steps it may take, where it takes any."""
        start, self.counts = len(self.lines), False
        yield
        if self.counts:
            self.lines.insert(start, "    " * self._indent + f"steps = {MAX_STEPS}")

    def _chain(self, route: Route, calls: Sequence[Call]) -> None:
        """Write calls each of which can use what those before it have read and worked out."""
        call, rest = calls[0], calls[1:]
        built, where = self._temporary(), self._temporary()
        wheres: list[str] = []
        with self._nested("while True:", is_operand=True) as scope:
            self._targets.append(built)
            self._line(f"{built} = {self._part(call.builder.parts, where, wheres)}")
            self._targets.pop()
            self._line("break")
        own = self.constant(route)
        with self._block(f"if {built}.__class__ is Failure:"):
            message = f"unbuilt({self.constant(tuple(wheres))}[{where}], {built})"
            self._line(f"found.fault({own}, {own}.on_handler_error, {message})")
            for other in rest:
                self._line(f"build({own}, {self.constant(other)}, bag, found)")
        with self._block("else:") as after:
            after.kept |= scope.kept
            self._line(f"pending.append(({own}, {self.constant(call)}, ({built},)))")
            if rest:
                self._chain(route, rest)

    def _part(self, part: Part, where: str, wheres: list[str]) -> str:
        """Write a part of an instance; the atom, or the display, that makes it."""
        match part:
            case Leaf(program, said):
                if isinstance(program.tree, Constant):
                    return self.constant(program.tree.value)
                what = self._number(program.tree)
                held = self._known(what)
                if held is None:
                    self._field = f"{where} = {len(wheres)}"
                    wheres.append(said)
                    held = self._temporary()
                    with self._steps():
                        self._assign(held, self.value(program.tree))
                    self._field = ""
                    self._keep(what, held)
                return held
            case Struct(type_, name, fields):
                given = [f"{field}={self._part(inner, where, wheres)}" for field, inner in fields]
                return f"{self.constant(type_)}({', '.join([f'name={name!r}', *given])})"
            case Entries(items, listed):
                made = [(key, self._part(inner, where, wheres)) for key, inner in items]
                if listed:
                    shown = f"({''.join(f'{value}, ' for _, value in made)})"
                else:
                    shown = f"{{{', '.join(f'{key!r}: {value}' for key, value in made)}}}"
                held = self._known(shown)
                if held is None:
                    held = self._temporary()
                    self._line(f"{held} = {shown}")
                    self._keep(shown, held)
                return held

    def _number(self, tree: Tree) -> int:
        """The same number for equal trees."""
        for number, known in enumerate(self._trees):
            if known == tree:
                return number
        self._trees.append(tree)
        return len(self._trees) - 1
