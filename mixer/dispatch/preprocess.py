"""Before anything else: attribute generators add to the bag."""

from __future__ import annotations

from attributes import Bag
from mixer.adapter.template import Variety
from mixer.dispatch.run import Fault, error_list, run
from mixer.errors import EvaluationError
from mixer.rules.routes import Routes, identity


async def preprocess(routes: Routes, bag: Bag) -> str:
    """
    Run all matching attribute generators on what the caller sent, then merge in order of rules.

    Returns what failed, as an error list; empty where nothing did.
    """
    found = routes.gather(Variety.ATTRIBUTE_GENERATOR, bag, identity(bag))
    generated = []
    for (route, call, _), result in zip(found.pending, await run(found.pending), strict=True):
        if isinstance(result, Fault):
            found.fault(route, route.on_handler_error, result.message)
            continue
        try:
            bound = call.builder.bind(bag, result)
        except EvaluationError as error:
            found.fault(route, route.on_handler_error, str(error))
            continue
        if route.is_shadow:
            route.observer.shadowed("generated")
        else:
            generated.append(bound)
    for attributes in generated:
        bag.generate(attributes)
    errors = found.failures + found.denials
    return f"preprocessing attributes failed: {error_list(errors)}" if errors else ""
