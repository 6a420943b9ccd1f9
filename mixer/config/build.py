"""
Resources to the `Model`: everything read, checked and resolved, without compiling or opening.

Law: all problems are told at once, and what is wrong with one resource never takes down another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from mixer.adapter.catalogue import Catalogue
from mixer.config import handlers, instances, outside, rules
from mixer.config.findings import Findings, closest
from mixer.config.load import ISTIO, OURS, Documents, Resource
from mixer.config.model import Handler, Instance, Mode, Model, Rule
from mixer.config.outside import Offered
from mixer.config.references import Names, Register
from mixer.config.vocabulary import Manifests
from mixer.errors import Problem
from mixer.lang import Lang

LANG = "policy.istio.io/lang"
CORE = ("attributemanifest", "template", "adapter", "handler", "instance", "rule")
CLIENT_SIDE = frozenset({"QuotaSpec", "QuotaSpecBinding", "HTTPAPISpec", "HTTPAPISpecBinding"})
"""Kinds that Istio's control plane reads; they are nothing to a server."""

Read: TypeAlias = Callable[[Resource, Findings], None]


def build(
    documents: Documents, catalogue: Catalogue, *, lang_override: Lang | None = None
) -> tuple[Model, list[Problem]]:
    """
    Make the model of all resources that can be served.

    Returns it with all problems, those of the documents included, by file and line. A resource
    with an error is left out of the model; of a rule only the actions that are wrong are. With
    *lang_override*, all expressions are of that language, whatever resources say.
    """
    builder = _Builder(documents.resources, catalogue, lang_override)
    problems = [*documents.problems, *builder.problems]
    return builder.model(), sorted(problems, key=lambda problem: _position(problem))


def _position(problem: Problem) -> tuple[str, int, int]:
    return problem.place.file, problem.place.line, problem.place.column


class _Builder:
    """Reads kind by kind, so that each finds declared what it refers to."""

    def __init__(
        self, resources: Iterable[Resource], catalogue: Catalogue, override: Lang | None
    ) -> None:
        self.problems: list[Problem] = []
        self._catalogue, self._override = catalogue, override
        self._manifests = Manifests()
        self._handlers: Register[Handler] = Register("handler")
        self._instances: Register[Instance] = Register("instance")
        self._offered = Offered(catalogue, Register("adapter"), Register("template"))
        self._rules: list[Rule] = []
        self._rejected: list[Rule] = []
        self._inline: list[Instance] = []
        by_kind: dict[str, list[Resource]] = {}
        for resource in resources:
            by_kind.setdefault(resource.key.kind, []).append(resource)
        self._declared = rules.Declared(
            self._offered,
            self._handlers,
            self._instances,
            Names({one.key: one.place for same in by_kind.values() for one in same}),
        )
        for kind, read in self._readers().items():
            for resource in by_kind.pop(kind, ()):
                findings = Findings(str(resource.key), resource.problems)
                if self._speaks(resource, kind, findings):
                    read(resource, findings)
                self.problems += findings.problems
        for rest in by_kind.values():
            for resource in rest:
                self._pass_over(resource)

    def model(self) -> Model:
        ordered = sorted(self._rules, key=lambda rule: -rule.priority)
        used = {
            action.handler.key: action.handler
            for rule in ordered
            if rule.mode is not Mode.OFF
            for action in rule.actions
        }
        return Model(
            self._manifests.vocabulary(),
            tuple(used.values()),
            (*self._instances, *self._inline),
            tuple(ordered),
            tuple(self._rejected),
        )

    def _readers(self) -> Mapping[str, Read]:
        """What reads each kind, in an order in which all that is referred to comes first."""
        legacy: dict[str, Read] = dict.fromkeys(self._catalogue.adapters, self._legacy_handler)
        for name in self._catalogue.templates:
            legacy.setdefault(name, self._legacy_instance)
        core: dict[str, Read] = {
            "attributemanifest": self._manifests.add,
            "template": self._template,
            "adapter": self._adapter,
            "handler": self._handler,
            "instance": self._instance,
        }
        # An adapter or template must not take the name of a core kind: the core wins.
        return core | legacy | core | {"rule": self._rule}

    def _speaks(self, resource: Resource, kind: str, findings: Findings) -> bool:
        """Tell whether the kind exists in the resource's API."""
        version, place = resource.api_version, resource.place
        if resource.ours:
            if version != OURS:
                findings.error(
                    f"unknown apiVersion {version!r}", place, "apiVersion", f"use {OURS}"
                )
                return False
            if kind not in CORE:
                reason = f"{OURS} has no kind {kind!r}"
                adapter = kind in self._catalogue.adapters
                words = "handler with adapter" if adapter else "instance with template"
                hint = f"use kind: {words}: {kind}, or apiVersion: {ISTIO}"
                findings.error(reason, place, "kind", hint)
                return False
        elif version != ISTIO:
            reason = f"unknown apiVersion {version!r} is read as {ISTIO}"
            findings.warn(reason, place, "apiVersion", closest(version, (ISTIO, OURS)))
        return True

    def _template(self, resource: Resource, findings: Findings) -> None:
        self._offered.templates.add(resource.key, outside.template(resource, findings))

    def _adapter(self, resource: Resource, findings: Findings) -> None:
        found = outside.adapter(resource, self._offered, findings)
        self._offered.adapters.add(resource.key, found)

    def _handler(self, resource: Resource, findings: Findings) -> None:
        handler = handlers.declared(resource, self._offered, findings)
        self._handlers.add(resource.key, None if findings.errors else handler)

    def _legacy_handler(self, resource: Resource, findings: Findings) -> None:
        adapter = self._catalogue.adapters[resource.key.kind]
        handler = handlers.legacy(resource, adapter, findings)
        self._handlers.add(resource.key, None if findings.errors else handler)

    def _instance(self, resource: Resource, findings: Findings) -> None:
        lang = self._lang(resource, findings)
        instance = instances.declared(resource, lang, self._offered, findings)
        self._instances.add(resource.key, None if findings.errors else instance)

    def _legacy_instance(self, resource: Resource, findings: Findings) -> None:
        template = self._catalogue.templates[resource.key.kind]
        lang = self._lang(resource, findings)
        instance = instances.legacy(resource, template, lang, findings)
        self._instances.add(resource.key, None if findings.errors else instance)

    def _rule(self, resource: Resource, findings: Findings) -> None:
        unreadable = findings.errors
        lang = self._lang(resource, findings)
        read = rules.read(resource, self._declared, lang, findings)
        if not unreadable:
            self._inline += read.inline
            if read.rule:
                (self._rejected if read.broken else self._rules).append(read.rule)

    def _lang(self, resource: Resource, findings: Findings) -> Lang:
        """The language of a resource's expressions (spec: config, language selection)."""
        default = Lang.CEL if resource.ours else Lang.CEXL
        said = resource.annotations.get(LANG)
        if self._override or said is None:
            return self._override or default
        if said not in Lang.__members__:
            reason = f"unknown language {said!r}; {default.value} is used"
            field = f'metadata.annotations["{LANG}"]'
            findings.warn(reason, resource.place, field, closest(said, Lang.__members__))
        return Lang.__members__.get(said, default)

    def _pass_over(self, resource: Resource) -> None:
        kind = resource.key.kind
        findings = Findings(str(resource.key))
        if kind not in CLIENT_SIDE:
            names = (*CORE, *self._catalogue.adapters, *self._catalogue.templates)
            reason = f"unknown kind {kind!r}; the resource is skipped"
            findings.warn(reason, resource.place, "kind", closest(kind, names))
        self.problems += findings.problems
