"""
Documents to a plan: all that can be known without opening anything.

``mixs validate`` and the server both go through here, so that they can't disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from mixer.adapter.catalogue import Catalogue
from mixer.adapter.template import Shape
from mixer.config import build
from mixer.config.load import Documents, Resource
from mixer.config.model import Handler, Key, Model
from mixer.errors import Problem, Severity
from mixer.rules.compile import Compiled, compile_rules
from mixer.runtime.options import Options

ROUNDS = 8
"""How often a resource may fall back because another one did."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A configuration that compiles, and what is wrong with it."""

    model: Model
    compiled: Compiled
    problems: tuple[Problem, ...]
    good: Mapping[Key, Resource]
    """The resources in force, those of earlier versions included."""

    kept: tuple[Key, ...] = ()
    """Resources that are served in their last good version."""

    revision: str = ""
    """Tells configurations apart; equal in all servers that read the same files."""


def plan(
    documents: Documents,
    catalogue: Catalogue,
    options: Options,
    last_good: Mapping[Key, Resource] | None = None,
) -> Plan:
    """
    Compile *documents*; a resource that is wrong falls back to its version in *last_good*.

    All problems found are in the plan, those of resources that fell back included.
    """
    last_good = last_good or {}
    failed: set[str] = set()
    reported: dict[Problem, None] = {}
    present = {resource.key: resource for resource in documents.resources}
    for _ in range(ROUNDS):
        serving = documents.keeping(last_good, failed)
        model, compiled, problems = _compile(serving, catalogue, options)
        reported |= dict.fromkeys(problems)
        errors = {found.resource for found in problems if found.severity is Severity.ERROR}
        fallible = {
            str(key) for key, old in last_good.items() if present.get(key) is not old
        } & errors - failed
        if not fallible:
            break
        failed |= fallible
    good = {
        resource.key: resource for resource in serving.resources if str(resource.key) not in errors
    }
    kept = tuple(key for key, resource in good.items() if present.get(key) is not resource)
    told = tuple(sorted(reported, key=_position))
    return Plan(model, compiled, told, good, kept, _revision(good.values()))


def _revision(resources: Iterable[Resource]) -> str:
    digest = sha256()
    for resource in resources:
        digest.update(repr((resource.key, resource.api_version, resource.spec)).encode())
    return digest.hexdigest()[:12]


def _position(problem: Problem) -> tuple[str, int, int]:
    return problem.place.file, problem.place.line, problem.place.column


def _compile(
    documents: Documents, catalogue: Catalogue, options: Options
) -> tuple[Model, Compiled, list[Problem]]:
    model, problems = build.build(documents, catalogue, lang_override=options.lang)
    if options.adapter_defaults:
        model = _with_defaults(model, options)
    compiled = compile_rules(model)
    problems += compiled.problems
    for handler in model.handlers:
        problems += _params(handler, compiled.shapes.get(handler.key, ()))
    return model, compiled, problems


def _with_defaults(model: Model, options: Options) -> Model:
    """*model* with the command line's defaults in the params of its handlers."""
    handlers = {handler.key: options.applied(handler) for handler in model.handlers}
    rules = tuple(
        replace(
            rule,
            actions=tuple(
                replace(action, handler=handlers.get(action.handler.key, action.handler))
                for action in rule.actions
            ),
        )
        for rule in model.rules
    )
    return replace(model, handlers=tuple(handlers.values()), rules=rules)


def _params(handler: Handler, shapes: tuple[Shape, ...]) -> list[Problem]:
    """What the adapter itself finds wrong with its params."""
    return [
        Problem(
            found.reason,
            handler.locate(found.field),
            str(handler.key),
            f"params.{found.field}" if found.field else "params",
            found.suggestion,
        )
        for found in handler.adapter.problems(handler.params, shapes)
    ]
