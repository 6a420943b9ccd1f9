"""Before anything else: attribute generators add to the bag."""

from __future__ import annotations

from attributes import Bag
from mixer.adapter.template import Variety
from mixer.config.model import Mode
from mixer.dispatch.gather import Faults, build, matching
from mixer.dispatch.run import Fault, Pending, error_list, run
from mixer.errors import EvaluationError
from mixer.rules.routes import Route, Routes


async def preprocess(routes: Routes, bag: Bag) -> str:
    """
    Run all matching attribute generators on what the caller sent, then merge in order of rules.

    Returns what failed, as an error list; empty where nothing did.
    """
    if not routes.generates:
        return ""
    faults = Faults()
    pending: list[Pending] = []
    owners: list[Route] = []
    for route, read in matching(routes, Variety.ATTRIBUTE_GENERATOR, bag, faults):
        for call in route.calls:
            if instance := build(route, call, read, faults):
                pending.append((call, (instance,)))
                owners.append(route)
    found = []
    for route, (call, _), result in zip(owners, pending, await run(pending), strict=True):
        if isinstance(result, Fault):
            faults.add(route, route.on_handler_error, result.message)
            continue
        try:
            bound = call.builder.bind(bag, result)
        except EvaluationError as error:
            faults.add(route, route.on_handler_error, str(error))
            continue
        if route.mode is Mode.SHADOW:
            route.observer.shadowed("generated")
        else:
            found.append(bound)
    for attributes in found:
        bag.generate(attributes)
    errors = faults.failures + faults.denials
    return f"preprocessing attributes failed: {error_list(errors)}" if errors else ""
