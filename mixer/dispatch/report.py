"""Report: what happened, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
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


class Batch:
    """All instances of one template for one handler, of one Report."""

    __slots__ = ("call", "fault", "instances", "owners", "seconds")

    def __init__(self, call: Call, owners: Sequence[Route]) -> None:
        self.call = call
        self.owners = list(owners)
        """The rules that sent them, each once."""

        self.instances: list[Instance | str | None] = []
        self.seconds: float | None = None
        """The time that its handler took for numbers, if it was given any."""

        self.fault: Fault | None = None
        """Why it did not take them."""

    def tally(self, adds: Sequence[tuple[Add, int]], columns: Sequence[Sequence[Number]]) -> None:
        """Give the handler the numbers it takes."""
        started = perf_counter()
        for add, place in adds:
            try:
                add(columns[place])
            except Exception as error:
                self.fault = Fault(f"{self.call.title}: {error or type(error).__name__}")
        self.seconds = perf_counter() - started + (self.seconds or 0.0)

    def count(self) -> None:
        """Count what was done with numbers as one dispatch."""
        observer = self.call.observer
        (observer.failed if self.fault else observer.succeeded)(self.seconds or 0.0)

    def failures(self, fault: Fault) -> Sequence[str]:
        """The messages that fail the Report for a *fault* of the handler."""
        strictest = max(self.owners, key=lambda route: route.on_handler_error is OnError.FAIL)
        found = Found()
        found.fault(strictest, strictest.on_handler_error, fault.message)
        return found.failures


class Group:
    """Bags of one Report that differ only in what they measure."""

    __slots__ = ("lines", "numbers", "pattern", "wrong")

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.lines: list[tuple[Callable[[str | None], None], Text]] = []
        """What takes the text for a bag, and what writes it; where handlers do no more."""

        self.numbers: list[Sequence[Number]] = []
        """What each bag measures."""

        self.wrong = 0
        """Bags of which something could not be built, and that were counted by themselves."""


_WHOLE = Group(Pattern(0, 0, (), (), (), ()))
"""In place of a group of bags of which anything is wrong, so that they are looked at one by one."""


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
    collecting = _Collecting(routes)
    if folds is not None and not routes.generates:
        collecting.fold(sources, folds)
    else:
        await collecting.take_all(sources)
    # First, as series that were looked up may expire while a handler waits.
    whole, faults = collecting.tally()
    if whole:
        results = await run([(batch.owners[0], batch.call, (batch.instances,)) for batch in whole])
        ends = zip(whole, results, strict=True)
        faults = [*((batch, end) for batch, end in ends if isinstance(end, Fault)), *faults]
    for batch, fault in faults:
        collecting.failures += batch.failures(fault)
    if errors := collecting.errors + collecting.failures:
        raise RpcError(Code.UNKNOWN, error_list(errors))


def count(routes: Routes, source: Source, folds: Folds) -> bool:
    """
    Record a bag that comes alone, if nothing is to be done but to count its numbers.

    False where there is more to it; then nothing was done. Raises RpcError as `report` does.
    """
    if routes.generates or not folds.only_count or (found := folds.fold(source)) is None:
        return False
    key, numbers = found
    pattern = folds.find(source, key)
    if pattern is None or pattern.made:
        return False
    routes.observer.phase(pattern.rules, pattern.calls)
    columns = tuple([(number,) for number in numbers])
    failures: list[str] = []
    for share in pattern.shares:
        batch = Batch(share.call, share.owners)
        batch.tally(share.adds, columns)
        batch.count()
        if batch.fault is not None:
            failures += batch.failures(batch.fault)
    if failures:
        raise RpcError(Code.UNKNOWN, error_list(failures))
    return True


class _Collecting:
    """What the bags of one Report bring, by handler and template."""

    def __init__(self, routes: Routes) -> None:
        self.errors: list[str] = []
        """Why sources could not be read."""

        self.failures: list[str] = []
        """What failed of the others."""

        self._routes = routes
        self._batches: dict[tuple[str, str], Batch] = {}
        self._known: dict[Call, Batch] = {}
        """The batch of each call of which there are instances."""

        self._groups: dict[Hashable, Group] = {}
        """By what decides the bags."""

    async def take_all(self, sources: Iterable[Source | str]) -> None:
        """Take in what *sources* bring, each looked at whole."""
        for source in sources:
            if isinstance(source, str):
                self.errors.append(source)
                continue
            bag = Bag(source)
            if self._routes.generates and (failed := await preprocess(self._routes, bag)):
                self.errors.append(failed)
            else:
                self._take(bag)

    def fold(self, sources: Iterable[Source | str], folds: Folds) -> None:
        """Take in what *sources* bring, of bags that are alike at once."""
        read, groups = folds.fold, self._groups
        for source in sources:
            if isinstance(source, str):
                self.errors.append(source)
                continue
            if (found := read(source)) is None:
                self._take(Bag(source))
                continue
            key, numbers = found
            group = groups.get(key)
            if group is None:
                group = self._first(folds, key, source)
                if group is None:
                    continue
            if group is _WHOLE:
                self._take(Bag(source))
                continue
            group.numbers.append(numbers)
            if group.pattern.made and not self._write(group, source):
                folds.others(source)
                self._build(group, Bag(source))

    def _first(self, folds: Folds, key: Hashable, source: Source) -> Group | None:
        """The group of a first bag, or None where that was taken in by itself."""
        if len(self._groups) >= MAX_GROUPS:
            return _WHOLE
        pattern = folds.find(source, key)
        if pattern is None:
            found = self._gather(Bag(source))
            if found.faults:
                self._append(found.pending)
                self._routes.observer.phase(found.rules, len(found.pending))
                self._groups[key] = _WHOLE
                return None
            pattern = folds.learn(source, key, found)
        for share in pattern.shares:
            self._batch(share.key, share.call, share.owners)
        group = self._groups[key] = Group(pattern)
        for call, gaps in pattern.lines:
            batch = self._batches[call.destination]
            group.lines.append((batch.instances.append, folds.lines[call](gaps)))
        return group

    def _write(self, group: Group, source: Source) -> bool:
        """Take in the text for a bag; False where its instances have to be made."""
        texts: list[str | None] = []
        try:
            for _, text in group.lines:
                texts.append(text(source))
        except Exception:
            return False  # what is wrong, its report will say
        if not texts or None in texts:
            return False
        for at, (take, _) in enumerate(group.lines):  # zip takes three times as long for one
            take(texts[at])
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
            self._routes.observer.phase(pattern.rules, pattern.calls - found.faults)

    def _take(self, bag: Bag) -> None:
        """Take in what a bag brings, looked at whole."""
        found = self._gather(bag)
        self._append(found.pending)
        self._routes.observer.phase(found.rules, len(found.pending))

    def _gather(self, bag: Bag) -> Found:
        found = self._routes.gather(Variety.REPORT, bag, identity(bag))
        self.failures += found.failures
        return found

    def tally(self) -> tuple[list[Batch], list[tuple[Batch, Fault]]]:
        """
        Give handlers the numbers that they take, when no more comes.

        Returns the batches with instances, which are to be sent, and what went wrong so far.
        """
        for group in self._groups.values():
            if group is not _WHOLE:
                pattern, bags = group.pattern, len(group.numbers)
                self._routes.observer.phase(pattern.rules, pattern.calls, bags - group.wrong)
                columns = tuple(zip(*group.numbers, strict=True))
                for share in pattern.shares:
                    if share.adds:
                        self._batches[share.key].tally(share.adds, columns)
        whole, faults = [], []
        for batch in self._batches.values():
            if batch.instances:
                whole.append(batch)
            elif batch.seconds is not None:  # else it is one dispatch, and counted
                batch.count()
            if batch.fault is not None:
                faults.append((batch, batch.fault))
        return whole, faults

    def _append(self, pending: Sequence[Pending]) -> None:
        for route, call, arguments in pending:
            if route.is_shadow:
                route.observer.shadowed("reported")
            else:
                batch = self._known.get(call)
                if batch is None:
                    batch = self._known[call] = self._batch(call.destination, call, (route,))
                batch.instances += arguments

    def _batch(self, key: tuple[str, str], call: Call, owners: Sequence[Route]) -> Batch:
        """The batch of a handler and template, to which these *owners* send."""
        batch = self._batches.get(key)
        if batch is None:
            batch = self._batches[key] = Batch(call, owners)
        else:
            batch.owners += [route for route in owners if route not in batch.owners]
        return batch
