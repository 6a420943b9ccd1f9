"""Check: may this call pass, and how much may it use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attributes import Bag, Value
from mixer.adapter.results import QuotaArgs, Verdict
from mixer.adapter.template import Output, Variety
from mixer.answers import CheckAnswer, HeaderChange, HeaderVerb, Precondition, RouteDirective
from mixer.dispatch.combine import combine, directive
from mixer.dispatch.preprocess import preprocess
from mixer.dispatch.quota import allocate
from mixer.dispatch.run import Fault, begin, error_list, finish
from mixer.errors import Code, RpcError
from mixer.expr.reads import Failure
from mixer.instances.compile import output_values
from mixer.rules.routes import Call, Found, HeaderPlan, Route, Routes, identity

_CHECK = Variety.CHECK  # slow to look up


async def check(routes: Routes, bag: Bag, quotas: Mapping[str, QuotaArgs]) -> CheckAnswer:
    """
    Answer a Check (spec: wire, order of steps).

    Raises RpcError(INTERNAL) where preprocessing fails, or where a rule that says so fails and no
    handler denies.
    """
    if routes.generates and (errors := await preprocess(routes, bag)):
        raise RpcError(Code.INTERNAL, errors)
    preprocessed = bag.mark if quotas else None
    whose = identity(bag)
    found = routes.gather(_CHECK, bag, whose)
    routes.observer.phase(found.rules, len(found.pending))
    results, waiting = begin(found.pending)
    if waiting:
        await finish(waiting)
    answer = _precondition(bag, found, results)
    if answer.code or preprocessed is None:
        return CheckAnswer(answer)
    granted = {}
    for name in sorted(quotas):
        bag.rewind(preprocessed)
        granted[name] = await allocate(routes, bag, whose, name, quotas[name])
    return CheckAnswer(answer, granted)


def _precondition(bag: Bag, found: Found, results: Sequence[Any]) -> Precondition:
    """What *results* of all that was *found* mean together."""
    outputs: dict[str, Value] = {}
    verdicts: list[tuple[str, Verdict]] = []
    for at, (route, call, _) in enumerate(found.pending):  # zip takes three times as long for one
        result = results[at]
        if result.__class__ is Verdict and not route.is_shadow:  # as most are
            verdicts.append((call.title, result))
        elif (verdict := _verdict(route, call, result, found, outputs)) is not None:
            verdicts.append((call.title, verdict))
    if found.denials:
        verdicts += [("mixer", Verdict(Code.UNAVAILABLE, text, 0.0, 0)) for text in found.denials]
    combined = combine(verdicts)
    if found.failures and not combined.code:
        raise RpcError(
            Code.INTERNAL, f"performing check operation failed: {error_list(found.failures)}"
        )
    route_directive = None
    if combined.direct is not None:
        route_directive = directive(combined.code, combined.direct)
    elif not combined.code and found.heads:
        route_directive = _header_changes(found.heads, outputs)
    rule, handler = _denier(found, results) if combined.code else ("", "")
    return Precondition(
        combined.code,
        combined.message,
        combined.valid_for,
        combined.valid_uses,
        bag.seen,
        route_directive,
        rule,
        handler,
    )


def _denier(found: Found, results: Sequence[Any]) -> tuple[str, str]:
    """The rule and the handler whose denial comes first, where it was a handler's."""
    for (route, call, _), result in zip(found.pending, results, strict=True):
        verdict = result[0] if isinstance(result, tuple) else result
        if isinstance(verdict, Verdict) and verdict.code and not route.is_shadow:
            return route.name, call.title
    return "", ""


def _verdict(
    route: Route, call: Call, result: Any, found: Found, outputs: dict[str, Value]
) -> Verdict | None:
    """What counts of a handler's *result*; its output, if any, goes to *outputs*."""
    match result:
        case Verdict():
            verdict = result
        case (Verdict() as verdict, Output() as output):
            if not route.is_shadow:
                values = output_values(output, f"{call.action}.output.")
                outputs |= {name: values[name] for name in values if name not in outputs}
        case Fault(message):
            found.fault(route, route.on_handler_error, message)
            return None
        case _:
            message = f"{call.title}: adapter {call.adapter!r} returned no verdict and output"
            found.fault(route, route.on_handler_error, message)
            return None
    if route.is_shadow:
        route.observer.shadowed("denied" if verdict.code else "allowed")
        return None
    return verdict


def _header_changes(
    matched: Sequence[tuple[Route, Bag]], outputs: Mapping[str, Value]
) -> RouteDirective | None:
    request: list[HeaderChange] = []
    response: list[HeaderChange] = []
    for route, bag in matched:
        scoped = bag.overlaid(outputs) if outputs else bag
        for plans, changes in (
            (route.request_headers, request),
            (route.response_headers, response),
        ):
            for plan in plans:
                changes += _changes(route, plan, scoped)
    return RouteDirective(tuple(request), tuple(response)) if request or response else None


def _changes(route: Route, plan: HeaderPlan, bag: Bag) -> list[HeaderChange]:
    """The changes of one operation; values that are empty or fail are skipped."""
    if plan.verb is HeaderVerb.REMOVE:
        return [HeaderChange(plan.name, "", HeaderVerb.REMOVE)]
    changes = []
    for read in plan.values:
        value = read(bag)
        if value.__class__ is Failure:
            route.observer.header_failed()
        elif value:
            changes.append(HeaderChange(plan.name, value, plan.verb))
    return changes
