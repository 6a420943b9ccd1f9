"""Report: what happened, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from attributes import Bag, Source
from mixer.adapter.template import Instance, Variety
from mixer.config.model import OnError
from mixer.dispatch.preprocess import preprocess
from mixer.dispatch.run import Fault, error_list, run
from mixer.errors import Code, RpcError
from mixer.rules.folding import Folds, Number, Pattern
from mixer.rules.lines import Text
from mixer.rules.plain import build
from mixer.rules.routes import Add, Call, Found, Pending, Route, Routes, identity

MAX_GROUPS = 256
"""So many kinds of bags are told apart in one Report; who sends more could choose their hashes."""


@dataclass(slots=True)
class Batch:
    """All instances of one template for one handler, of one Report."""

    call: Call
    instances: list[Instance | str | None] = field(default_factory=list)
    owners: list[Route] = field(default_factory=list)
    """The rules that sent them, each once."""

    tallies: list[tuple[Add, Sequence[Number]]] = field(default_factory=list)
    """What takes numbers, and those it gets."""


@dataclass(slots=True)
class Group:
    """Bags of one Report that differ only in what they measure."""

    pattern: Pattern
    lines: list[tuple[Call, Text]]
    """What writes the text for a bag, where handlers do nothing but that."""

    numbers: list[Sequence[Number]] = field(default_factory=list)
    """What each bag measures."""

    wrong: int = 0
    """Bags of which something could not be built, and that were counted by themselves."""


_NEW = Group(Pattern(0, (), (), (), (), ()), [])
"""In place of a group that is not there yet."""


async def report(
    routes: Routes,
    sources: Iterable[Source | str],
    folds: Folds | None = None,
) -> None:
    """
    Record all *sources*; a text among them says why a message could not be read.

    Each source is done with before the next is taken. What fails does not keep the rest from
    being recorded; at the end it raises RpcError(UNKNOWN) with all that went wrong. With *folds*,
    bags that differ only in what they measure are evaluated once; the outcome is the same.
    """
    collecting = _Collecting(routes, folds)
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

    def __init__(self, routes: Routes, folds: Folds | None) -> None:
        self.failures: list[str] = []
        self._routes = routes
        self._folds = folds
        self._batches: dict[tuple[str, str], Batch] = {}
        self._known: dict[Call, Batch] = {}
        """The batch of each call that brought anything yet."""
        self._groups: dict[Hashable, Group | None] = {}
        """By what decides the bags; None for those that must be looked at one by one."""

    def add(self, source: Source) -> None:
        """Take in what a source brings."""
        folds = self._folds
        if folds is None or (read := folds.fold(source)) is None:
            self.take(Bag(source))
            return
        key, numbers = read
        group = self._groups.get(key, _NEW)
        if group is not _NEW and group is not None:
            self._join(group, folds, source, numbers)
        elif group is _NEW and len(self._groups) < MAX_GROUPS:
            self._groups[key] = self._group(folds, folds.decide(key), source, numbers)
        else:
            self.take(Bag(source))

    def _group(
        self, folds: Folds, key: Hashable, source: Source, numbers: Sequence[Number]
    ) -> Group | None:
        """Take in the first bag of a group; None where anything is wrong with such bags."""
        pattern = folds.patterns.get(key)
        if pattern is None:
            found = self._gather(Bag(source))
            if found.faults:
                self._append(found.pending)
                self._routes.observer.phase(found.rules, len(found.pending))
                return None
            pattern = Pattern.of(found, folds)
            folds.patterns.keep(key, pattern)
        for route, call in pattern.calls:  # their owners are told in order
            if call not in self._known:
                self._batch(route, call)
        lines = [(call, folds.lines[call](gaps)) for call, gaps in pattern.lines]
        group = Group(pattern, lines)
        self._join(group, folds, source, numbers)
        return group

    def _join(self, group: Group, folds: Folds, source: Source, numbers: Sequence[Number]) -> None:
        group.numbers.append(numbers)
        if group.pattern.made and not self._write(group, source):
            folds.others(source)
            self._build(group, Bag(source))

    def _write(self, group: Group, source: Source) -> bool:
        """Take in the text for a bag; False where its instances have to be made."""
        if not group.lines:
            return False
        try:
            texts = [text(source) for _, text in group.lines]
        except Exception:
            return False  # what is wrong, its report will say
        if None in texts:
            return False
        for (call, _), text in zip(group.lines, texts, strict=True):
            self._known[call].instances.append(text)
        return True

    def _build(self, group: Group, bag: Bag) -> None:
        """Take in the instances that are made for each bag."""
        pattern, found = group.pattern, Found()
        for rest in pattern.rest:
            rest(bag, None, found)
        if not pattern.rest:
            for route, call in pattern.made:
                build(route, call, bag, found)
        self._append(found.pending)
        self.failures += found.failures
        if found.faults:  # then it is not like the other bags of its group
            group.wrong += 1
            self._routes.observer.phase(pattern.rules, len(pattern.calls) - found.faults)

    def take(self, bag: Bag) -> None:
        """Take in what a bag brings, looked at whole."""
        found = self._gather(bag)
        self._append(found.pending)
        self._routes.observer.phase(found.rules, len(found.pending))

    def _gather(self, bag: Bag) -> Found:
        found = self._routes.gather(Variety.REPORT, bag, identity(bag))
        self.failures += found.failures
        return found

    def batches(self) -> list[Batch]:
        """All that was brought, when no more comes."""
        for group in self._groups.values():
            if group is not None:
                pattern, columns = group.pattern, tuple(zip(*group.numbers, strict=True))
                bags = len(group.numbers) - group.wrong
                self._routes.observer.phase(pattern.rules, len(pattern.calls), bags)
                for call, add, place in pattern.tallied:
                    self._known[call].tallies.append((add, columns[place]))
        return list(self._batches.values())

    def _append(self, pending: Sequence[Pending]) -> None:
        for route, call, arguments in pending:
            if route.is_shadow:
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
        observer = batch.call.observer
        (observer.failed if fault else observer.succeeded)(perf_counter() - started)
    return fault
