"""Quota: how much of one named quota a call may use (spec: runtime; design: semantics 4)."""

from __future__ import annotations

from attributes import Bag
from mixer.adapter.results import Grant, QuotaArgs
from mixer.adapter.template import Variety
from mixer.answers import QuotaAnswer
from mixer.dispatch.run import Fault, begin, finish
from mixer.rules.routes import Call, Identity, Route, Routes

_QUOTA = Variety.QUOTA  # slow to look up

FREE_SECONDS = 60.0
"""How long a grant holds that no rule has a say in."""


async def allocate(
    routes: Routes,
    bag: Bag,
    identity: Identity,
    name: str,
    args: QuotaArgs,
) -> QuotaAnswer:
    """
    Allocate from every matching rule's instance called *name*; the smallest grant is the answer.

    Never raises: a handler that fails grants nothing, unless its rule says to skip it.
    """
    wanted = name.casefold()
    if wanted not in routes.quotas:
        routes.observer.unknown_quota(name)
        granted = 0 if routes.deny_unknown_quota else args.amount
        return QuotaAnswer(granted, FREE_SECONDS if granted else 0.0, bag.seen)
    found = routes.gather(_QUOTA, bag, identity, wanted)
    pending = found.pending
    routes.observer.phase(found.rules, len(pending))
    results, waiting = begin(pending, args)
    if waiting:
        await finish(waiting)
    smallest: tuple[Route, Call, Grant] | None = None
    for at, (route, call, _) in enumerate(pending):  # zip takes three times as long for one
        result = results[at]
        if result.__class__ is Fault:
            found.fault(route, route.on_handler_error, result.message)
        elif route.is_shadow:
            route.observer.shadowed("granted" if result.amount else "refused")
        elif smallest is None or result.amount < smallest[2].amount:
            smallest = route, call, result
    if found.failures or found.denials:
        return QuotaAnswer(0, 0.0, bag.seen)
    if smallest is None:
        return QuotaAnswer(args.amount, FREE_SECONDS, bag.seen)
    route, call, grant = smallest
    return QuotaAnswer(
        grant.amount,
        grant.valid_for,
        bag.seen,
        grant.code,
        f"{call.title}:{grant.message}" if grant.code else "",
        route.name,
        call.title,
        grant.standing,
    )
