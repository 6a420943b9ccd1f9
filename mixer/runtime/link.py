"""Compiled rules and open handlers to routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from structlog.typing import FilteringBoundLogger

from mixer.adapter.base import RETURNS, Adapter, Reports, waits
from mixer.adapter.line import Line
from mixer.adapter.template import Shape, Variety
from mixer.config.model import Action, Key, Mode, OnError
from mixer.instances.compile import Builder
from mixer.rules import fuse, plain
from mixer.rules.compile import Compiled, CompiledRule
from mixer.rules.folding import Folding, folding
from mixer.rules.routes import Call, Route, Routes, Scope, Tally
from mixer.runtime.handlers import OpenHandler
from mixer.runtime.observe import RoutesObserver, RuleObserver
from mixer.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Linked:
    """Routes, and what could not be linked."""

    routes: Routes
    unsatisfied: int
    """Actions whose handler is not open."""

    folding: Folding | None
    """How to fold the bags of a Report, where that can be done."""

    destinations: Mapping[str, int]
    """Distinct pairs of handler and template, by name of the variety."""


def link(
    compiled: Compiled,
    handlers: Mapping[Key, OpenHandler],
    default_namespace: str,
    deny_unknown_quota: bool,
    metrics: Metrics,
    log: FilteringBoundLogger,
    fused: bool = True,
) -> Linked:
    """Make the routes of *compiled* over *handlers*, *fused* to functions or the plain way."""
    linker = _Linker(handlers, metrics, log)
    ordered: dict[Variety, list[tuple[str, Route]]] = {variety: [] for variety in Variety}
    for rule in compiled.rules:
        for variety, route in linker.routes(rule):
            ordered[variety].append((rule.rule.key.namespace, route))
    namespaces = {rule.rule.key.namespace for rule in compiled.rules} | {default_namespace}
    table = {
        variety: {
            namespace: _scope(variety, found, namespace, default_namespace, fused)
            for namespace in namespaces
        }
        for variety, found in ordered.items()
    }
    quotas = frozenset(call.quota for _, route in ordered[Variety.QUOTA] for call in route.calls)
    destinations = {
        variety.name: len(
            {(c.title, c.builder.shape.template) for _, route in found for c in route.calls}
        )
        for variety, found in ordered.items()
    }
    observer = RoutesObserver(metrics.routes(), log)
    generates = bool(ordered[Variety.ATTRIBUTE_GENERATOR])
    routes = Routes(default_namespace, observer, table, quotas, deny_unknown_quota, generates)
    folds = fused and not generates
    folded = folding(route for _, route in ordered[Variety.REPORT]) if folds else None
    return Linked(routes, linker.unsatisfied, folded, destinations)


def _scope(
    variety: Variety,
    found: list[tuple[str, Route]],
    namespace: str,
    default: str,
    fused: bool,
) -> Scope:
    """The default namespace's routes, then the namespace's own, each in the model's order."""
    first = [entry for entry in found if entry[0] == default]
    own = [entry for entry in found if entry[0] == namespace] if namespace != default else []
    routes = tuple(route for _, route in first + own)
    quotas = frozenset(call.quota for route in routes for call in route.calls if call.quota)
    if not fused:
        return Scope(routes, plain.gatherer(routes), quotas)
    return Scope(routes, fuse.gatherer(routes, notes=variety is not Variety.REPORT), quotas)


class _Linker:
    """Makes routes, and counts what is missing."""

    def __init__(
        self, handlers: Mapping[Key, OpenHandler], metrics: Metrics, log: FilteringBoundLogger
    ) -> None:
        self._handlers = handlers
        self._metrics = metrics
        self._log = log
        self.unsatisfied = 0

    def routes(self, rule: CompiledRule) -> list[tuple[Variety, Route]]:
        """One route for each variety the rule has actions of, or header operations for."""
        calls: dict[Variety, list[Call]] = {}
        for action, builders in rule.actions:
            for builder in builders:
                variety = builder.shape.template.variety
                if variety is Variety.CHECK_WITH_OUTPUT:
                    variety = Variety.CHECK
                call = self._call(rule, action, builder)
                if call is not None:
                    calls.setdefault(variety, []).append(call)
        if rule.request_headers or rule.response_headers:
            calls.setdefault(Variety.CHECK, [])
        name = f"{rule.rule.key.name}.{rule.rule.key.namespace}"
        observer = RuleObserver(name, self._metrics.rule(name), self._log)
        found = []
        for variety, made in calls.items():
            heads = variety is Variety.CHECK
            route = Route(
                name=name,
                match=rule.match,
                samplers=rule.samplers,
                calls=tuple(made),
                request_headers=rule.request_headers if heads else (),
                response_headers=rule.response_headers if heads else (),
                is_shadow=rule.rule.mode is Mode.SHADOW,
                on_match_error=rule.rule.on_match_error,
                on_handler_error=rule.rule.on_handler_error,
                observer=observer,
            )
            found.append((variety, route))
        return found

    def _call(self, rule: CompiledRule, action: Action, builder: Builder) -> Call | None:
        handler = self._handlers[action.handler.key]
        template = builder.shape.template
        verb_name = action.handler.adapter.verbs[template]
        config = handler.config
        if handler.hosted is None:
            self.unsatisfied += 1
            if rule.rule.on_missing_handler is OnError.SKIP:
                return None
            verb = _missing(handler.error)
        else:
            verb = handler.hosted.verbs[template]
        return Call(
            title=config.title,
            adapter=config.adapter.name,
            verb=verb,
            waits=waits(verb),
            builder=builder,
            action=action.name,
            observer=self._metrics.call(template.template, config.title, config.adapter.name),
            expects=object if verb_name == "report" else RETURNS[verb_name],
            tally=_tally(handler.adapter, verb_name),
            line=self._line(handler.adapter, verb_name, builder.shape),
            quota=_quota(builder) if template.variety is Variety.QUOTA else "",
        )

    def _line(self, adapter: Adapter[Any] | None, verb: str, shape: Shape) -> Line | None:
        """How an adapter shows instances, where it offers that."""
        if verb != "report":
            return None
        try:
            found: Line | None = getattr(adapter, "line", lambda _: None)(shape)
        except Exception as error:  # it is no more than an offer
            self._log.error("a handler can't say how it shows instances", error=str(error))
            return None
        return found


def _quota(builder: Builder) -> str:
    """The name by which callers ask for a quota."""
    return builder.instance.key.name.partition(".")[0].casefold()


def _tally(adapter: Adapter[Any] | None, verb: str) -> Tally | None:
    """An adapter's fast way to take numbers, where it has one."""
    found = getattr(type(adapter), "tally", Reports.tally)
    return None if verb != "report" or found is Reports.tally else adapter.tally  # type: ignore[union-attr]  # it reports


def _missing(error: str) -> Any:
    """A verb for a handler that could not be opened: it fails, so that `onError` decides."""

    def fail(*arguments: object) -> None:
        raise RuntimeError(f"the handler is not open: {error}")

    return fail
