"""Report: what happened, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from attributes import Bag, Source
from mixer.adapter.template import Instance, Variety
from mixer.config.model import Mode, OnError
from mixer.dispatch.preprocess import preprocess
from mixer.dispatch.run import Fault, error_list, run
from mixer.errors import Code, RpcError
from mixer.rules.folding import Folds, Number
from mixer.rules.lines import Text
from mixer.rules.plain import build
from mixer.rules.routes import Call, Found, Gather, Pending, Route, Routes, identity

MIN_FOLDED = 3
"""It takes so many bags to save what telling them apart costs."""

MAX_GROUPS = 256
"""So many kinds of bags are told apart in one Report; who sends more could choose their hashes."""


@dataclass(slots=True)
class Batch:
    """All instances of one template for one handler, of one Report."""

    call: Call
    instances: list[Instance | str | None] = field(default_factory=list)
    owners: list[Route] = field(default_factory=list)
    """The rules that sent them, each once."""

    tallies: list[tuple[Callable[[Sequence[Number]], None], list[Number]]] = field(
        default_factory=list
    )
    """What takes numbers, and those it gets."""


@dataclass(slots=True)
class Group:
    """Bags that differ only in what they measure."""

    rules: int
    calls: int
    tallies: list[tuple[list[Number], int]] = field(default_factory=list)
    """Where the numbers of each bag go, and which of them."""

    rest: list[Gather] = field(default_factory=list)
    """What adds the calls whose instances are made for each bag."""

    apart: list[tuple[Route, Call]] = field(default_factory=list)
    """Instead, where some handler wants its measures whole: the same calls one by one, in order."""

    lines: list[tuple[Route, Call, Text]] = field(default_factory=list)
    """Instead, where their handlers do nothing but write text: what makes it of each bag."""

    bags: int = 0


async def report(
    routes: Routes,
    sources: Iterable[Source | str],
    folds: Folds | None = None,
    count: int = 0,
) -> None:
    """
    Record all *sources*; a text among them says why a message could not be read.

    Each source is done with before the next is taken. What fails does not keep the rest from
    being recorded; at the end it raises RpcError(UNKNOWN) with all that went wrong. With *folds*,
    bags that differ only in what they measure are evaluated once; the outcome is the same. Where
    their *count* is small each is evaluated, but decoded in one go.
    """
    collecting = _Collecting(routes, folds, count < MIN_FOLDED)
    errors: list[str] = []
    for source in sources:
        if isinstance(source, str):
            errors.append(source)
        elif not routes.generates:
            collecting.add(source)
        elif failed := await preprocess(routes, bag := Bag(source)):
            errors.append(failed)
        else:
            collecting.take(bag)
    errors += collecting.failures + await _dispatch(collecting.batches())
    if errors:
        raise RpcError(Code.UNKNOWN, error_list(errors))


class _Collecting:
    """What the bags of one Report bring, by handler and template."""

    def __init__(self, routes: Routes, folds: Folds | None, few: bool) -> None:
        self.failures: list[str] = []
        self._routes = routes
        self._folds = folds
        self._few = few
        self._batches: dict[tuple[str, str], Batch] = {}
        self._known: dict[Call, Batch] = {}
        """The batch of each call that brought anything yet."""
        self._groups: dict[Hashable, Group | None] = {}
        """By what decides the bags; None for those that must be looked at one by one."""
        self._tallies: dict[Hashable, list[Number]] = {}

    def add(self, source: Source) -> None:
        """Take in what a source brings."""
        folds = self._folds
        if folds is not None and self._few:
            folds.all(source)
        if folds is None or self._few or (read := folds.fold(source)) is None:
            self.take(Bag(source))
            return
        key, numbers = read
        if key not in self._groups and len(self._groups) < MAX_GROUPS:
            self._groups[key] = self._group(folds, source, numbers)
            return
        group = self._groups.get(key)
        if group is None:
            self.take(Bag(source))
            return
        group.bags += 1  # after its first
        for taken, place in group.tallies:
            taken.append(numbers[place])
        if self._write(group, source):
            return
        if group.rest or group.apart:
            folds.others(source)
            self._build(group, Bag(source))

    def _write(self, group: Group, source: Source) -> bool:
        """Take in the text for a bag; False where its instances have to be made."""
        try:
            texts = [text(source) for _, _, text in group.lines]
        except Exception:
            return False  # what is wrong, its report will say
        if not texts or None in texts:
            return False
        for (route, call, _), text in zip(group.lines, texts, strict=True):
            batch = self._known.get(call) or self._batch(route, call)
            batch.instances.append(text)
        return True

    def _group(self, folds: Folds, source: Source, numbers: Sequence[Number]) -> Group | None:
        """Take in the first bag of a group; None where anything is wrong with such bags."""
        found = self._found(Bag(source))
        group, made, whole = Group(found.rules, len(found.pending)), list[Pending](), False
        for route, call, (instance,) in found.pending:
            place = None if found.faults else folds.places.get(call)
            if place is not None and (tally := self._tally(route, call, instance)) is not None:
                tally.append(numbers[place])
                group.tallies.append((tally, place))
                continue
            made.append((route, call, (instance,)))
            self._batch(route, call)  # its owners are told in order
            if place is not None:
                whole = True
            elif not found.faults and (rest := folds.rest[route]) not in group.rest:
                group.rest.append(rest)
        if found.faults:
            self._append(made)
            return None
        group.lines = self._lines(folds, made)
        if not self._write(group, source):
            self._append(made)
        if whole:
            group.rest.clear()
            group.apart = [(route, call) for route, call, _ in made]
        return group

    def _lines(self, folds: Folds, made: Sequence[Pending]) -> list[tuple[Route, Call, Text]]:
        """What writes text instead of making such instances; nothing unless it can for all."""
        if not all(call in folds.lines for _, call, _ in made):
            return []
        try:
            return [(route, call, folds.lines[call](one)) for route, call, (one,) in made]
        except Exception:
            return []  # what is wrong, its report will say

    def _tally(self, route: Route, call: Call, instance: Instance) -> list[Number] | None:
        """Where the numbers of such instances go; None where the handler wants them whole."""
        assert call.tally is not None
        try:
            add = call.tally(instance)
        except Exception:
            return None  # what is wrong, its report will say
        if add is None:
            return None
        batch = self._batch(route, call)
        key = call.title, add
        if key not in self._tallies:
            self._tallies[key] = []
            batch.tallies.append((add, self._tallies[key]))
        return self._tallies[key]

    def take(self, bag: Bag) -> None:
        """Take in what a bag brings, looked at whole."""
        self._append(self._found(bag).pending)

    def _found(self, bag: Bag) -> Found:
        found = self._routes.gather(Variety.REPORT, bag, identity(bag))
        self._routes.observer.phase(found.rules, len(found.pending))
        self.failures += found.failures
        return found

    def batches(self) -> list[Batch]:
        """All that was brought, when no more comes."""
        for group in self._groups.values():
            if group is not None:
                self._routes.observer.phase(group.rules, group.calls, group.bags)
        return list(self._batches.values())

    def _build(self, group: Group, bag: Bag) -> None:
        found = Found()
        for rest in group.rest:
            rest(bag, None, found)
        for route, call in group.apart:
            build(route, call, bag, found)
        self._append(found.pending)
        self.failures += found.failures
        if found.faults:  # then it is not like the other bags of its group
            group.bags -= 1
            self._routes.observer.phase(group.rules, group.calls - found.faults)

    def _append(self, pending: Sequence[Pending]) -> None:
        for route, call, arguments in pending:
            if route.mode is Mode.SHADOW:
                route.observer.shadowed("reported")
            else:
                batch = self._known.get(call) or self._batch(route, call)
                batch.instances += arguments

    def _batch(self, route: Route, call: Call) -> Batch:
        key = call.title, call.builder.shape.template.template
        batch = self._batches.get(key)
        if batch is None:
            batch = self._batches[key] = Batch(call)
        if route not in batch.owners:
            batch.owners.append(route)
        self._known[call] = batch
        return batch


async def _dispatch(batches: Sequence[Batch]) -> list[str]:
    """Send all *batches*; the messages that fail the Report."""
    found = Found()
    # First, as series that were looked up may expire while a handler waits.
    tallied = [(batch, _tallied(batch)) for batch in batches if batch.tallies]
    whole = [batch for batch in batches if batch.instances]
    results = await run([(batch.owners[0], batch.call, (batch.instances,)) for batch in whole])
    for batch, result in [*zip(whole, results, strict=True), *tallied]:
        if isinstance(result, Fault):
            strictest = max(batch.owners, key=lambda route: route.on_handler_error is OnError.FAIL)
            found.fault(strictest, strictest.on_handler_error, result.message)
    return found.failures


def _tallied(batch: Batch) -> Fault | None:
    """Give a handler the numbers it takes."""
    started, fault = perf_counter(), None
    for add, numbers in batch.tallies:
        try:
            add(numbers)
        except Exception as error:
            fault = Fault(f"{batch.call.title}: {error or type(error).__name__}")
    if not batch.instances:  # else it is one dispatch, and counted
        batch.call.observer.dispatched(perf_counter() - started, fault is not None)
    return fault
