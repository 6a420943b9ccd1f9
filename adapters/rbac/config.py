"""The params of rbac: roles and who has them, in the words of Istio's first RBAC."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum

from mixer.adapter import Config, Duration, FieldProblem


class Mode(IntEnum):
    """Whether a binding counts."""

    ENFORCED = 0
    PERMISSIVE = 1


class Constraint(Config, frozen=True):
    """What a property of the action must be."""

    key: str
    """Name of the property."""

    values: tuple[str, ...] = ()
    """One of these; `*` at the beginning or the end stands for anything."""


class Rule(Config, frozen=True):
    """What one may do; all that is said must hold."""

    services: tuple[str, ...]
    """One of these services; `*` at the beginning or the end stands for anything."""

    methods: tuple[str, ...] = ()
    """One of these methods; empty means any."""

    paths: tuple[str, ...] = ()
    """One of these paths; empty means any."""

    constraints: tuple[Constraint, ...] = ()
    """What properties of the action must be."""


class Role(Config, frozen=True):
    """What those who have it may do: what one of its rules says."""

    namespace: str = ""
    """Only for actions in this namespace; empty means in all."""

    rules: tuple[Rule, ...] = ()
    """What one may do."""


class Subject(Config, frozen=True):
    """Who; all that is said must hold."""

    user: str = ""
    """The user; `*` stands for everybody, those without a name too."""

    group: str = ""
    """A group that the user belongs to."""

    properties: dict[str, str] = {}
    """Properties of the subject; `*` at the beginning or the end stands for anything."""


class Binding(Config, frozen=True):
    """Gives a role to subjects."""

    role: str
    """Name of the role."""

    subjects: tuple[Subject, ...] = ()
    """Who has it: whoever is one of these."""

    mode: Mode = Mode.ENFORCED
    """PERMISSIVE: nobody is let in by it; who would be is logged at level debug."""


class RbacConfig(Config, frozen=True):
    """Params of rbac."""

    roles: dict[str, Role] = {}
    """Roles by name."""

    bindings: tuple[Binding, ...] = ()
    """Who has which role."""

    cache_duration: Duration = Duration.of(60)
    """How long a sidecar may reuse an answer."""

    config_store_url: str = ""
    """Of Istio before 1.1, and not used: roles stand here."""


def problems(config: RbacConfig) -> Iterable[FieldProblem]:
    """Find bindings of roles that are not there, and subjects and rules that say nothing."""
    if config.config_store_url:
        hint = "write roles and bindings into the params, and remove it"
        yield FieldProblem("config_store_url", "there is no store of roles", hint)
    if config.cache_duration < 0:
        yield FieldProblem("cache_duration", f"'{config.cache_duration}' is less than 0")
    for name, role in config.roles.items():
        for index, rule in enumerate(role.rules):
            at = f"roles.{name}.rules[{index}]"
            if not rule.services:
                yield FieldProblem(f"{at}.services", "no service is named", "'*' means all")
            for number, constraint in enumerate(rule.constraints):
                if not constraint.values:
                    where = f"{at}.constraints[{number}].values"
                    yield FieldProblem(where, "no value is named, so that nothing fits")
    for index, binding in enumerate(config.bindings):
        if binding.role not in config.roles:
            near = get_close_matches(binding.role, config.roles, 1)
            hint = f"did you mean {near[0]!r}?" if near else "add it to the roles"
            yield FieldProblem(
                f"bindings[{index}].role", f"there is no role {binding.role!r}", hint
            )
        for number, subject in enumerate(binding.subjects):
            if not (subject.user or subject.group or subject.properties):
                yield FieldProblem(
                    f"bindings[{index}].subjects[{number}]",
                    "says nothing, and would be everybody",
                    "write `user: '*'` if that is meant",
                )
