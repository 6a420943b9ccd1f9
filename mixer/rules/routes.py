"""
Rules ready to run: for each variety and namespace, which rules may send what to whom.

Law: immutable; a configuration change makes new routes and swaps them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import msgspec

from attributes import Bag, Note, Reads
from mixer.adapter.line import Line
from mixer.adapter.template import Variety
from mixer.answers import HeaderVerb
from mixer.config.model import OnError
from mixer.errors import EvaluationError
from mixer.expr.compile import Program
from mixer.expr.reads import Failure
from mixer.instances.compile import Builder

Add: TypeAlias = Callable[[Sequence[int | float]], None]
Tally: TypeAlias = Callable[[Any], Add | None]
"""See `mixer.adapter.Reports.tally`."""


class CallObserver(Protocol):
    """Counts the calls of one template, handler and adapter."""

    def succeeded(self, seconds: float, /) -> None: ...
    def failed(self, seconds: float, /) -> None: ...


class RoutesObserver(Protocol):
    """Counts what is seen of all rules."""

    @property
    def phase(self) -> Callable[..., None]:
        """
        Counts a phase of a call in which so many rules matched and instances were built.

        A third number says how many phases that were.
        """

    def unknown_quota(self, name: str, /) -> None: ...


class RuleObserver(Protocol):
    """Counts what becomes of one rule's calls."""

    def match_failed(self, reason: str, /) -> None: ...
    def fault(self, outcome: OnError, reason: str, /) -> None: ...
    def shadowed(self, outcome: str, /) -> None: ...
    def header_failed(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One instance of a rule for one handler."""

    title: str
    """The handler's display name."""

    adapter: str
    verb: Callable[..., Any]
    waits: bool
    """True where the verb is a coroutine function."""

    builder: Builder
    action: str
    """Prefix of the action's output attributes."""

    observer: CallObserver
    expects: type
    """What the verb must return; ``object`` where nobody looks at it."""

    quota: str = ""
    """For quotas: the short name callers ask for, case folded."""

    tally: Tally | None = None
    """What the handler offers for instances that are equal but for what they measure."""

    line: Line | None = None
    """How the handler shows instances, if it does nothing else with them."""

    @property
    def destination(self) -> tuple[str, str]:
        """Handler and template: what instances are sent together for."""
        return self.title, self.builder.shape.template.template


@dataclass(frozen=True, slots=True, eq=False)
class HeaderPlan:
    """One header operation of a rule."""

    name: str
    verb: HeaderVerb
    values: tuple[Callable[[Bag], Any], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What one rule does for calls of one variety."""

    name: str
    """``NAME.NAMESPACE`` of the rule, for messages."""

    match: Program | None
    """None means always."""

    samplers: tuple[Callable[[Bag], bool], ...]
    calls: tuple[Call, ...]
    request_headers: tuple[HeaderPlan, ...]
    response_headers: tuple[HeaderPlan, ...]
    is_shadow: bool
    """Whether it only counts what it would have answered."""

    on_match_error: OnError
    on_handler_error: OnError
    observer: RuleObserver

    @property
    def changes_headers(self) -> bool:
        """Whether there is any header operation."""
        return bool(self.request_headers or self.response_headers)


Arguments: TypeAlias = tuple[Any, ...]
Pending: TypeAlias = tuple[Route, Call, Arguments]
"""A call, whose it is, and the arguments of its verb."""


class Found(msgspec.Struct):
    """What one phase of a call has to do, and what went wrong while that was found out."""

    pending: list[Pending] = []
    heads: tuple[tuple[Route, Bag], ...] = ()
    """The matching rules that change headers, and what to read for that."""

    rules: int = 0
    """How many matched."""

    faults: int = 0
    """How often something went wrong, whatever is to be done about it."""

    failures: tuple[str, ...] = ()
    """Messages that fail the RPC."""

    denials: tuple[str, ...] = ()
    """Messages that deny the precondition."""

    def fault(self, route: Route, outcome: OnError, message: str) -> None:
        """Count a fault of *route* and keep its *message* as *outcome* says."""
        self.faults += 1
        route.observer.fault(outcome, message)
        if route.is_shadow:
            return
        if outcome is OnError.FAIL:
            self.failures += (message,)
        elif outcome is OnError.DENY:
            self.denials += (message,)

    def unmatched(self, route: Route, message: str) -> None:
        """Count a condition of *route* that has no value."""
        route.observer.match_failed(message)
        self.fault(route, route.on_match_error, message)


Gather: TypeAlias = Callable[[Bag, str | None, Found], None]
"""Finds what the rules of one scope have to do for a call; of quotas, only for the one named."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The routes that a call of one variety may take, in order."""

    routes: tuple[Route, ...]
    gather: Gather
    quotas: frozenset[str] = frozenset()
    """Short names of the quotas that these know, case folded."""


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """All routes of a configuration."""

    default_namespace: str
    observer: RoutesObserver
    table: Mapping[Variety, Mapping[str, Scope]]
    """Per variety and identity namespace: the default namespace's rules and its own, in order.
    Checks with output stand under CHECK."""

    quotas: frozenset[str] = frozenset()
    """Short names of all configured quota instances, case folded."""

    deny_unknown_quota: bool = False
    generates: bool = False
    """Whether any rule generates attributes."""

    def gather(
        self, variety: Variety, bag: Bag, identity: Identity, quota: str | None = None
    ) -> Found:
        """What is to be done for a call, by its *identity*, whose reads become references."""
        bag.note(identity.note)
        namespaces = self.table[variety]
        scope = namespaces.get(identity.namespace) or namespaces[self.default_namespace]
        found = Found()
        scope.gather(bag, quota, found)
        return found

    def quotas_of(self, namespace: str) -> frozenset[str]:
        """Short names of the quotas that have rules for calls of a *namespace*, case folded."""
        namespaces = self.table[Variety.QUOTA]
        return (namespaces.get(namespace) or namespaces[self.default_namespace]).quotas


IDENTITY = ("context.reporter.kind", "destination.namespace", "source.namespace")
"""The attributes that `identity` reads."""

_IDENTITY = Reads((name, None) for name in IDENTITY)


class Identity(msgspec.Struct, frozen=True):
    """Whose rules apply to a call (spec: config, which rules apply)."""

    namespace: str
    """Empty where none but those of the default namespace do."""

    note: Note
    """What was read to know it."""


def identity(bag: Bag) -> Identity:
    """Whose rules apply to a call."""
    kind = bag.read("context.reporter.kind")
    seen = 0b10 if kind is None else 0b01
    match kind if isinstance(kind, str) else "inbound":
        case "inbound":
            namespace = bag.read("destination.namespace")
            seen |= 0b1000 if namespace is None else 0b0100
        case "outbound":
            namespace = bag.read("source.namespace")
            seen |= 0b10_0000 if namespace is None else 0b01_0000
        case _:
            namespace = ""
    return Identity(namespace if isinstance(namespace, str) else "", (_IDENTITY, seen))


def unmatched(route: Route, failure: Failure) -> str:
    """Why a rule's condition has no value."""
    return f"rule {route.name}: match failed: {failure.message}"


def matches(route: Route, bag: Bag) -> bool:
    """
    Tell whether the rule takes this call.

    Raises EvaluationError where its condition has no value.
    """
    if route.match is not None:
        found = route.match.run(bag)
        if found.__class__ is Failure:
            raise EvaluationError(unmatched(route, found))
        if found is not True:
            return False
    return all(takes(bag) for takes in route.samplers)
