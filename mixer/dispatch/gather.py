"""Finds what a call needs done: evaluates conditions, builds instances, keeps what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from attributes import Bag
from mixer.adapter.template import Instance, Variety
from mixer.config.model import Mode, OnError
from mixer.errors import EvaluationError
from mixer.rules.routes import Call, Route, Routes, matches


@dataclass(slots=True)
class Faults:
    """What went wrong in one phase, by what the rules say is to be done about it."""

    failures: list[str] = field(default_factory=list)
    """Messages that fail the RPC."""

    denials: list[str] = field(default_factory=list)
    """Messages that deny the precondition."""

    def add(self, route: Route, outcome: OnError, message: str) -> None:
        """Count a fault of *route* and keep its *message* as *outcome* says."""
        route.observer.fault(outcome, message)
        if route.mode is Mode.SHADOW:
            return
        if outcome is OnError.FAIL:
            self.failures.append(message)
        elif outcome is OnError.DENY:
            self.denials.append(message)


def matching(
    routes: Routes, variety: Variety, bag: Bag, faults: Faults
) -> Iterator[tuple[Route, Bag]]:
    """
    The rules that take this call, in order, each with the bag to build from.

    That is *bag*, or for a shadow rule one that leaves no references in the answer.
    """
    for route in routes.scope(variety, bag):
        read = bag.aside() if route.mode is Mode.SHADOW else bag
        try:
            if matches(route, read):
                yield route, read
        except EvaluationError as error:
            route.observer.match_failed(str(error))
            faults.add(route, route.on_match_error, str(error))


def build(route: Route, call: Call, bag: Bag, faults: Faults) -> Instance | None:
    """The instance of *call*, or None where a field has no value, which is a fault."""
    try:
        return call.builder.build(bag)
    except EvaluationError as error:
        faults.add(route, route.on_handler_error, str(error))
        return None
