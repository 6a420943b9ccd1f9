"""
Keeps the configuration in force: reads it, compiles it, opens handlers, swaps, cleans up.

Law: there is always one whole snapshot in force, and a call sees one from beginning to end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic, time_ns
from typing import Any

from structlog.typing import FilteringBoundLogger

from mixer.adapter.catalogue import Catalogue
from mixer.config import load, watch
from mixer.config.files import roots
from mixer.config.load import Documents
from mixer.errors import Problem, Severity, StartError
from mixer.runtime.commons import Commons
from mixer.runtime.handlers import Handlers, OpenHandler, Turnover
from mixer.runtime.link import Linked, link
from mixer.runtime.options import Options
from mixer.runtime.plan import Plan, plan
from mixer.runtime.snapshot import Snapshot
from mixer.telemetry.metrics import Metrics, SnapshotFigures

DRAIN_SECONDS = 10.0
"""How long calls of a replaced snapshot may take before its handlers are closed under them."""


def validate(
    sources: Sequence[str], catalogue: Catalogue, options: Options | None = None
) -> list[Problem]:
    """
    Find all that is wrong in *sources*, exactly as the server would, without opening anything.

    Raises StartError where a source can't be read at all.
    """
    options = options or Options()
    documents = load.read(sources, options.default_namespace)
    return list(plan(documents, catalogue, options).problems)


class Runtime:
    """The configuration of one server; all its methods run on one event loop."""

    def __init__(
        self,
        catalogue: Catalogue,
        sources: Sequence[str],
        options: Options,
        metrics: Metrics,
        log: FilteringBoundLogger,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], int] = time_ns,
        commons: Commons | None = None,
        tells: bool = True,
    ) -> None:
        """
        *commons* are what the workers of the server have in common, where there are several.

        One that does not *tell* leaves it to another worker to log what both find.
        """
        self._catalogue = catalogue
        self._sources = list(sources)
        self._options = options
        self._metrics = metrics
        self._log = log
        self._handlers = Handlers(log, clock, now, commons, metrics=metrics)
        self._tells = tells
        self._cleanups: set[asyncio.Task[None]] = set()
        self._swapped = ""
        self._unreadable = ""
        self._told: frozenset[Problem] = frozenset()
        self._read_at_start: watch.Stamps = {}
        self.snapshot: Snapshot | None = None

    @property
    def ready(self) -> bool:
        """Whether a snapshot is in force and the source could be read last time."""
        return self.snapshot is not None and not self._unreadable

    async def start(self) -> None:
        """Bring the configuration into force. Raises StartError where it can't be read at all."""
        self._read_at_start = watch.stamps(roots(self._sources))
        await self._apply(self._read())

    async def watch(self, stop: asyncio.Event) -> None:
        """Follow changes of the sources until *stop* is set."""
        async for _ in watch.changes(self._sources, stop, known=self._read_at_start):
            await self.reload()

    async def reload(self) -> None:
        """Bring the configuration as it is now into force; the old one stays where it can't be."""
        try:
            await self._apply(await asyncio.to_thread(self._read))
        except StartError as error:
            self._unreadable = str(error)
            self._metrics.reloads("unreadable")
            self._log.error("configuration can't be read; the last one stays", error=str(error))
        except Exception:
            self._metrics.reloads("failed")
            self._log.exception("configuration could not be applied; the last one stays")

    async def close(self) -> None:
        """Wait for calls in flight, then close all handlers, which flushes them."""
        last, self.snapshot = self.snapshot, None
        if self._cleanups:
            await asyncio.wait(self._cleanups)
        if last is not None:
            await last.idle(DRAIN_SECONDS)
            await self._handlers.close(list(last.handlers.values()))

    def describe(self) -> dict[str, Any]:
        """What is in force and what is wrong, as JSON."""
        found = self.snapshot.describe() if self.snapshot else {}
        return {
            "sources": self._sources,
            "unreadable": self._unreadable,
            "inForceSince": self._swapped,
            **found,
        }

    def _read(self) -> Documents:
        return load.read(self._sources, self._options.default_namespace)

    async def _apply(self, documents: Documents) -> None:
        self._unreadable = ""
        old = self.snapshot
        last_good = old.plan.good if old else {}
        planned = await asyncio.to_thread(
            plan, documents, self._catalogue, self._options, last_good
        )
        before = old.handlers if old else {}
        turnover = await self._handlers.turn_over(
            planned.model.handlers, planned.compiled.shapes, before
        )
        linked = await asyncio.to_thread(
            link,
            planned.compiled,
            turnover.handlers,
            self._options.default_namespace,
            self._options.deny_unknown_quota,
            self._metrics,
            self._log,
            self._options.fused,
        )
        number = old.id + 1 if old else 1
        self.snapshot = Snapshot(number, planned, linked.routes, linked.folding, turnover.handlers)
        self._swapped = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._tell(planned, number)
        self._metrics.snapshot(_figures(number, planned, linked, turnover))
        self._metrics.reloads("kept_last_good" if planned.kept else "applied")
        if old is not None:
            left = turnover.left_behind(before)
            self._clean_up(old, left)

    def _clean_up(self, old: Snapshot, left: list[OpenHandler]) -> None:
        async def clean_up() -> None:
            if not await old.idle(DRAIN_SECONDS):
                self._log.warning("calls still use a replaced configuration", snapshot=old.id)
            failures = await self._handlers.close(left)
            self._metrics.closed(len(left), failures)

        task = asyncio.create_task(clean_up())
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)

    def _tell(self, planned: Plan, number: int) -> None:
        """Log what is in force, and each problem once."""
        if not self._tells:
            return
        for problem in planned.problems:
            if problem not in self._told:
                tell = self._log.error if problem.severity is Severity.ERROR else self._log.warning
                tell("configuration problem", **problem.as_json())
        self._told = frozenset(planned.problems)
        for key in planned.kept:
            self._log.warning("the last good version stays in force", resource=str(key))
        self._log.info(
            "configuration in force",
            snapshot=number,
            rules=len(planned.model.rules),
            handlers=len(planned.model.handlers),
            instances=len(planned.model.instances),
            attributes=len(planned.model.vocabulary),
            problems=len(planned.problems),
        )


def _figures(number: int, planned: Plan, linked: Linked, turnover: Turnover) -> SnapshotFigures:
    errors = [found for found in planned.problems if found.severity is Severity.ERROR]
    return SnapshotFigures(
        number=number,
        attributes=len(planned.model.vocabulary),
        handlers=len(planned.model.handlers),
        instances=len(planned.model.instances),
        rules=len(planned.model.rules),
        errors_by_kind=Counter(found.resource.partition("/")[0] for found in errors),
        match_errors=sum(found.field.endswith("match") for found in errors),
        problems=Counter(found.severity.value for found in planned.problems),
        kept=len(planned.kept),
        unsatisfied=linked.unsatisfied,
        opened=turnover.new,
        reused=turnover.reused,
        failed=turnover.failed,
        destinations=linked.destinations,
    )
