"""Report: what happened, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from attributes import Bag, Source
from mixer.adapter.template import Instance, Variety
from mixer.config.model import Mode, OnError
from mixer.dispatch.preprocess import preprocess
from mixer.dispatch.run import Fault, error_list, run
from mixer.errors import Code, RpcError
from mixer.rules.routes import Call, Found, Pending, Route, Routes


@dataclass(slots=True)
class Batch:
    """All instances of one template for one handler, of one Report."""

    call: Call
    instances: list[Instance] = field(default_factory=list)
    owners: list[Route] = field(default_factory=list)
    """The rules that sent them, each once."""


async def report(routes: Routes, sources: Iterable[Source | str]) -> None:
    """
    Record all *sources*; a text among them says why a message could not be read.

    Each source is done with before the next is taken. What fails does not keep the rest from
    being recorded; at the end it raises RpcError(UNKNOWN) with all that went wrong.
    """
    errors: list[str] = []
    failures: list[str] = []
    batches: dict[tuple[str, str], Batch] = {}
    for source in sources:
        if isinstance(source, str):
            errors.append(source)
            continue
        bag = Bag(source)
        if routes.generates and (failed := await preprocess(routes, bag)):
            errors.append(failed)
            continue
        found = routes.gather(Variety.REPORT, bag)
        routes.observer.phase(found.rules, len(found.pending))
        failures += found.failures
        _collect(found.pending, batches)
    failures += await _dispatch(list(batches.values()))
    errors += failures
    if errors:
        raise RpcError(Code.UNKNOWN, error_list(errors))


def _collect(pending: Iterable[Pending], batches: dict[tuple[str, str], Batch]) -> None:
    for route, call, (instance,) in pending:
        if route.mode is Mode.SHADOW:
            route.observer.shadowed("reported")
            continue
        key = call.title, instance.template
        batch = batches.get(key)
        if batch is None:
            batch = batches[key] = Batch(call)
        batch.instances.append(instance)
        if route not in batch.owners:
            batch.owners.append(route)


async def _dispatch(batches: list[Batch]) -> list[str]:
    """Send all *batches*; the messages that fail the Report."""
    found = Found()
    results = await run([(batch.owners[0], batch.call, (batch.instances,)) for batch in batches])
    for batch, result in zip(batches, results, strict=True):
        if isinstance(result, Fault):
            strictest = max(batch.owners, key=lambda route: route.on_handler_error is OnError.FAIL)
            found.fault(strictest, strictest.on_handler_error, result.message)
    return found.failures
