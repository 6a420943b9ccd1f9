"""
The plain way to find what rules have to do: one after the other, expression by expression.

It is the reference for `mixer.rules.fuse`, which writes one function that does the same.
"""

from __future__ import annotations

from attributes import Bag
from mixer.errors import EvaluationError
from mixer.rules.routes import Call, Found, Gather, Route, matches


def gatherer(routes: tuple[Route, ...]) -> Gather:
    """A function that finds what *routes* have to do for a call."""

    def gather(bag: Bag, quota: str | None, found: Found) -> None:
        for route in routes:
            take(route, bag, quota, found)

    return gather


def take(route: Route, bag: Bag, quota: str | None, found: Found) -> None:
    """Add what *route* has to do; a shadow rule leaves no references in the answer."""
    read = bag.aside() if route.is_shadow else bag
    try:
        if not matches(route, read):
            return
    except EvaluationError as error:
        found.unmatched(route, str(error))
        return
    found.rules += 1
    if route.changes_headers and not route.is_shadow:
        found.heads += ((route, read),)
    for call in route.calls:
        if quota is None or call.quota == quota:
            build(route, call, read, found)


def build(route: Route, call: Call, bag: Bag, found: Found) -> None:
    """Add one call of *route*."""
    try:
        found.pending.append((route, call, (call.builder.build(bag),)))
    except EvaluationError as error:
        found.fault(route, route.on_handler_error, str(error))
