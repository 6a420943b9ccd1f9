"""Rules: references resolved, inline handlers and instances made, words given their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mixer.adapter.template import Variety
from mixer.answers import HeaderVerb
from mixer.config import handlers, instances, spec
from mixer.config.convert import convert, reader, salvage
from mixer.config.findings import Findings
from mixer.config.leaves import Raw
from mixer.config.load import OURS, Resource
from mixer.config.model import (
    Action,
    Handler,
    HeaderOperation,
    Instance,
    Key,
    OnError,
    RandomSampling,
    RateLimitSampling,
    Rule,
)
from mixer.config.nodes import MapNode, Node, locate
from mixer.config.outside import Offered
from mixer.config.references import Names, Register
from mixer.lang import Lang

T = TypeVar("T")

_CHECKS = frozenset({Variety.CHECK, Variety.CHECK_WITH_OUTPUT})
_PARTS = {spec.Denominator.HUNDRED: 100, spec.Denominator.TEN_THOUSAND: 10_000}
_read_reference = reader(str)


@dataclass(frozen=True, slots=True)
class Declared:
    """What rules may refer to."""

    offered: Offered
    handlers: Register[Handler]
    instances: Register[Instance]
    names: Names


@dataclass(frozen=True, slots=True)
class Read:
    """What could be read of a rule."""

    rule: Rule | None
    """None where nothing is left of it."""

    inline: list[Instance]
    """The instances that stand in it."""

    broken: bool
    """True where its own words are wrong: it can be checked further, but not served."""


def read(resource: Resource, declared: Declared, lang: Lang, findings: Findings) -> Read:
    """Read one rule."""
    reading = _Reading(resource, declared, lang, findings)
    rule = reading.rule()
    return Read(rule, reading.inline, reading.broken)


class _Reading:
    """One rule while it is read."""

    def __init__(
        self, resource: Resource, declared: Declared, lang: Lang, findings: Findings
    ) -> None:
        self._resource, self._declared = resource, declared
        self._lang, self._findings = lang, findings
        self._namespace = resource.key.namespace
        self.inline: list[Instance] = []
        self.broken = False

    def rule(self) -> Rule | None:
        resource = self._resource
        words: type[spec.IstioRule] = spec.Rule if resource.ours else spec.IstioRule
        said = convert(resource.spec, words, self._findings)
        if said is None:
            self.broken = True
            said = salvage(resource.spec, words)
        if said is None:
            return None
        if isinstance(said, spec.Rule) and said.strict:
            self._lang = self._lang.strict
        actions = [
            action
            for number, one in enumerate(said.actions)
            if (action := self._action(one, f"spec.actions[{number}]"))
        ]
        request = self._headers(said.request_header_operations, "requestHeaderOperations")
        response = self._headers(said.response_header_operations, "responseHeaderOperations")
        if not (actions or request or response):
            if not self.broken and not (
                said.actions or said.request_header_operations or said.response_header_operations
            ):
                reason = "the rule has no actions and no header operations"
                self._findings.error(reason, resource.spec.place, "spec.actions")
            self.broken = True
        rule = Rule(
            resource.key,
            said.match,
            tuple(actions),
            self._lang,
            resource.place,
            request,
            response,
            _random(said.sampling.random),
            _rate_limit(said.sampling.rate_limit),
        )
        return _our_words(rule, said) if isinstance(said, spec.Rule) else rule

    def _action(self, said: spec.Action, at: str) -> Action | None:
        handler = self._handler(said.handler)
        found: dict[Key, Instance] = {}
        if not said.instances:
            place = said.handler.node.place
            self._findings.error("the action has no instances", place, f"{at}.instances")
        for raw in said.instances:
            instance = self._instance(raw)
            if instance is None:
                continue
            if instance.key in found:
                reason = f"instance {instance.key.name!r} is listed twice"
                self._findings.error(reason, raw.node.place, raw.field, "remove one of them")
            elif handler and instance.template not in handler.adapter.verbs:
                takes = ", ".join(template.template for template in handler.adapter.verbs)
                self._findings.error(
                    f"adapter {handler.adapter.name!r} does not take instances of template "
                    f"{instance.template.template!r}",
                    raw.node.place,
                    raw.field,
                    f"it takes {takes}",
                )
            else:
                found[instance.key] = instance
        return Action(handler, tuple(found.values()), said.name) if handler and found else None

    def _handler(self, raw: Raw) -> Handler | None:
        if not self._is_inline(raw.node):
            return self._referred(raw, self._declared.handlers)
        said = convert(raw.node, spec.Handler, self._findings, raw.field)
        if said is None:
            return None
        names, name = self._declared.names, self._resource.key.name
        key = names.free("handler", self._namespace, name, raw.node.place)
        title, offered = f"{key.name}.{key.namespace}", self._declared.offered
        return handlers.configured(key, title, said, offered, self._findings, raw.field, raw.node)

    def _instance(self, raw: Raw) -> Instance | None:
        if not self._is_inline(raw.node):
            return self._referred(raw, self._declared.instances)
        said = convert(raw.node, spec.Instance, self._findings, raw.field)
        key = self._instance_key(said.name, raw) if said else None
        if said is None or key is None:
            return None
        instance = instances.configured(
            key,
            said,
            self._lang,
            self._declared.offered,
            self._findings,
            raw.field,
            raw.node,
            ours=True,
        )
        if instance:
            self.inline.append(instance)
        return instance

    def _instance_key(self, name: str, raw: Raw) -> Key | None:
        names, place = self._declared.names, raw.node.place
        if not name:
            return names.free("instance", self._namespace, self._resource.key.name, place)
        key = Key("instance", self._namespace, name)
        if owner := names.claim(key, place):
            reason = f"there is an instance {name!r} already, at {owner}"
            hint = "choose another name, or refer to that one by its name"
            self._findings.error(reason, place, f"{raw.field}.name", hint)
            return None
        return key

    def _is_inline(self, node: Node) -> bool:
        return isinstance(node, MapNode) and self._resource.ours

    def _referred(self, raw: Raw, register: Register[T]) -> T | None:
        if isinstance(raw.node, MapNode):
            reason = f"must be the name of a declared {register.kind}, not a mapping"
            hint = f"only apiVersion {OURS} lets one write it inline"
            self._findings.error(reason, raw.node.place, raw.field, hint)
            return None
        reference = _read_reference(raw.node, raw.field, self._findings)
        if not isinstance(reference, str):
            return None
        thing = register.find(reference, self._namespace)
        if thing is None:
            reason, hint = register.why_not(reference, self._namespace)
            self._findings.error(reason, raw.node.place, raw.field, hint)
        return thing

    def _headers(
        self, said: Sequence[spec.HeaderOperation], name: str
    ) -> tuple[HeaderOperation, ...]:
        before = self._findings.errors
        for number, one in enumerate(said):
            at = f"spec.{name}[{number}]"
            for text in one.values:
                if not text.text.strip():
                    hint = "write '\"\"' for the empty text"
                    self._findings.error("the expression is empty", text.place, text.field, hint)
            if not one.values and one.operation is not HeaderVerb.REMOVE:
                place = locate(self._resource.spec, f"{name}[{number}]")
                reason = f"header {one.name!r} is given no values, so nothing is done"
                self._findings.warn(reason, place, at, "add values, or operation: REMOVE")
        if self._findings.errors > before:
            return ()
        return tuple(HeaderOperation(one.name, one.values, one.operation) for one in said)


def _our_words(rule: Rule, said: spec.Rule) -> Rule:
    """Add what only meshmixer.io/v1 can say; rules with checks fail closed by default."""
    checks = any(
        instance.template.variety in _CHECKS
        for action in rule.actions
        for instance in action.instances
    )
    on_error = said.on_error or (OnError.DENY if checks else OnError.SKIP)
    return replace(
        rule,
        on_match_error=on_error,
        on_handler_error=on_error,
        on_missing_handler=on_error,
        mode=said.mode,
        priority=said.priority,
    )


def _random(said: spec.RandomSampling | None) -> RandomSampling | None:
    if said is None:
        return None
    percent = said.percent_sampled
    attribute = said.attribute_expression if said.attribute_expression.text.strip() else None
    independent = said.use_independent_randomness
    return RandomSampling(percent.numerator, _PARTS[percent.denominator], attribute, independent)


def _rate_limit(said: spec.RateLimitSampling | None) -> RateLimitSampling | None:
    if said is None:
        return None
    return RateLimitSampling(said.sampling_duration, said.max_unsampled_entries, said.sampling_rate)
