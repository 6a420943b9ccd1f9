"""
Rules ready to run: for each variety and namespace, which rules may send what to whom.

Law: immutable; a configuration change makes new routes and swaps them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from attributes import Bag
from mixer.adapter.template import Variety
from mixer.answers import HeaderVerb
from mixer.config.model import Mode, OnError
from mixer.errors import EvaluationError
from mixer.expr.reads import Failure
from mixer.instances.compile import Builder


class CallObserver(Protocol):
    """Counts the calls of one template, handler and adapter."""

    def dispatched(self, seconds: float, failed: bool, /) -> None: ...


class RoutesObserver(Protocol):
    """Counts what is seen of all rules."""

    @property
    def phase(self) -> Callable[[int, int], None]:
        """Counts a phase of a call in which so many rules matched and instances were built."""

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

    timeout: float
    """Seconds an awaited verb may take."""

    builder: Builder
    action: str
    """Prefix of the action's output attributes."""

    observer: CallObserver
    expects: type
    """What the verb must return; ``object`` where nobody looks at it."""

    quota: str = ""
    """For quotas: the short name callers ask for, case folded."""


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

    match: Callable[[Bag], Any] | None
    """None means always."""

    samplers: tuple[Callable[[Bag], bool], ...]
    calls: tuple[Call, ...]
    request_headers: tuple[HeaderPlan, ...]
    response_headers: tuple[HeaderPlan, ...]
    mode: Mode
    on_match_error: OnError
    on_handler_error: OnError
    observer: RuleObserver

    @property
    def changes_headers(self) -> bool:
        """Whether there is any header operation."""
        return bool(self.request_headers or self.response_headers)


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """All routes of a configuration."""

    default_namespace: str
    observer: RoutesObserver
    table: Mapping[Variety, Mapping[str, tuple[Route, ...]]]
    """Per variety and identity namespace: the default namespace's rules and its own, in order.
    Checks with output stand under CHECK."""

    quotas: frozenset[str] = frozenset()
    """Short names of all configured quota instances, case folded."""

    deny_unknown_quota: bool = False

    @property
    def generates(self) -> bool:
        """Whether any rule generates attributes."""
        return any(self.table[Variety.ATTRIBUTE_GENERATOR].values())

    def scope(self, variety: Variety, bag: Bag) -> tuple[Route, ...]:
        """
        The routes a call may match, by its identity namespace (spec: config, which rules apply).

        Reads the attributes that decide it, which become references.
        """
        namespaces = self.table[variety]
        found = namespaces.get(identity(bag))
        return namespaces[self.default_namespace] if found is None else found


def identity(bag: Bag) -> str:
    """The namespace whose rules apply to a call; empty where none but the default's do."""
    kind = bag.get("context.reporter.kind")
    match kind if isinstance(kind, str) else "inbound":
        case "inbound":
            namespace = bag.get("destination.namespace")
        case "outbound":
            namespace = bag.get("source.namespace")
        case _:
            return ""
    return namespace if isinstance(namespace, str) else ""


def matches(route: Route, bag: Bag) -> bool:
    """
    Tell whether the rule takes this call.

    Raises EvaluationError where its condition has no value.
    """
    if route.match is not None:
        found = route.match(bag)
        if found.__class__ is Failure:
            raise EvaluationError(f"rule {route.name}: match failed: {found.message}")
        if found is not True:
            return False
    return all(takes(bag) for takes in route.samplers)
