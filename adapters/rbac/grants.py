"""Roles and bindings compiled: for each service, who may do what there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from adapters.rbac.config import Binding, Constraint, Mode, RbacConfig, Role, Rule, Subject
from mixer.adapter import Action, Authorization, Value, text
from mixer.adapter import Subject as Who

Fits: TypeAlias = Callable[[str], bool]


class Grant(NamedTuple):
    """One rule of a role, and who has the role."""

    binding: Binding
    does: Callable[[Action], bool]
    """Whether an action is of the rule, its service aside."""

    has: Callable[[Who], bool]


class Grants:
    """All grants of a config, found by service."""

    def __init__(self, config: RbacConfig) -> None:
        self._exact: dict[str, list[Grant]] = {}
        self._others: list[tuple[Fits, Grant]] = []
        for binding in config.bindings:
            role = config.roles[binding.role]
            has = _any([_subject(subject) for subject in binding.subjects])
            for rule in role.rules:
                self._add(rule, Grant(binding, _rule(role, rule), has))

    def of(self, asked: Authorization) -> tuple[bool, Binding | None]:
        """Whether *asked* may pass, and a binding that would let it if that were enforced."""
        action, permissive = asked.action, None
        for grant in self._at(action.service):
            if grant.does(action) and grant.has(asked.subject):
                if grant.binding.mode is Mode.ENFORCED:
                    return True, permissive
                permissive = permissive or grant.binding
        return False, permissive

    def _at(self, service: str) -> Iterable[Grant]:
        yield from self._exact.get(service, ())
        for fits, grant in self._others:
            if fits(service):
                yield grant

    def _add(self, rule: Rule, grant: Grant) -> None:
        for service in dict.fromkeys(rule.services):
            if "*" in (service[:1], service[-1:]):
                self._others.append((pattern(service), grant))
            else:
                self._exact.setdefault(service, []).append(grant)


def pattern(written: str) -> Fits:
    """Make the comparison with a text that may begin or end with ``*``."""
    if written == "*":
        return lambda value: True
    if written.startswith("*"):
        return lambda value: value.endswith(written[1:])
    if written.endswith("*"):
        return lambda value: value.startswith(written[:-1])
    return lambda value: value == written


def _patterns(written: Iterable[str]) -> Fits:
    exact = frozenset(one for one in written if "*" not in (one[:1], one[-1:]))
    others = [pattern(one) for one in written if one not in exact]
    if not others:
        return exact.__contains__
    return lambda value: value in exact or any(fits(value) for fits in others)


def _rule(role: Role, rule: Rule) -> Callable[[Action], bool]:
    conditions: list[Callable[[Action], bool]] = []
    if role.namespace:
        conditions.append(lambda action: action.namespace == role.namespace)
    if rule.methods:
        methods = _patterns(rule.methods)
        conditions.append(lambda action: methods(action.method))
    if rule.paths:
        paths = _patterns(rule.paths)
        conditions.append(lambda action: paths(action.path))
    conditions += [_constraint(one) for one in rule.constraints]
    return lambda action: all(holds(action) for holds in conditions)


def _constraint(said: Constraint) -> Callable[[Action], bool]:
    fits = _patterns(said.values)
    return lambda action: said.key in action.properties and fits(text(action.properties[said.key]))


def _subject(said: Subject) -> Callable[[Who], bool]:
    wanted = {key: pattern(value) for key, value in said.properties.items()}

    def has(who: Who) -> bool:
        if said.user not in ("", "*", who.user):
            return False
        if said.group and said.group not in _groups(who):
            return False
        return all(_property(who.properties, key, fits) for key, fits in wanted.items())

    return has


def _property(properties: Mapping[str, Value], key: str, fits: Fits) -> bool:
    return key in properties and fits(text(properties[key]))


def _groups(who: Who) -> list[str]:
    """The groups of a subject: one text, or several with commas between."""
    return [group.strip() for group in who.groups.split(",")]


def _any(conditions: list[Callable[[Who], bool]]) -> Callable[[Who], bool]:
    return lambda who: any(holds(who) for holds in conditions)
