"""Adapters of other processes, and their templates: descriptors read into classes like our own."""

from __future__ import annotations

from dataclasses import dataclass

from mixer.adapter.catalogue import Catalogue
from mixer.adapter.template import Instance
from mixer.config import spec
from mixer.config.convert import convert
from mixer.config.findings import Findings
from mixer.config.load import Resource
from mixer.config.nodes import Node, is_null, locate, plain
from mixer.config.references import Register
from mixer.errors import Place
from mixer.remote import adapters, params, templates
from mixer.remote.connection import Packed
from mixer.remote.descriptors import BadDescriptor


@dataclass(frozen=True, slots=True)
class Offered:
    """What handlers and instances may be made of: what is installed, and what is declared."""

    catalogue: Catalogue
    adapters: Register[type[adapters.Elsewhere]]
    templates: Register[type[templates.Outside]]

    def template(self, reference: str, resource: Resource) -> type[Instance] | None:
        """
        The template that *resource* means by *reference*, None if it can't be used.

        In Istio's API, adapters of other processes take instances of declared templates only.
        """
        installed = self.catalogue.templates.get(reference) if resource.ours else None
        return installed or self.templates.find(reference, resource.key.namespace)


def template(resource: Resource, findings: Findings) -> type[templates.Outside] | None:
    """Read a resource of kind ``template``; None where it can't be used."""
    said = convert(resource.spec, spec.Template, findings)
    if said is None:
        return None
    try:
        return templates.template(resource.key.name, said.descriptor)
    except BadDescriptor as error:
        _refuse(error, resource, "descriptor", findings)
        return None


def adapter(
    resource: Resource, offered: Offered, findings: Findings
) -> type[adapters.Elsewhere] | None:
    """Read a resource of kind ``adapter``; None where it can't be used."""
    said = convert(resource.spec, spec.Adapter, findings)
    if said is None:
        return None
    found: set[type[Instance]] = set()
    for number, reference in enumerate(said.templates):
        one = offered.template(reference, resource)
        if one is not None:
            found.add(one)
            continue
        reason, hint = offered.templates.why_not(reference, resource.key.namespace)
        at = f"templates[{number}]"
        findings.error(reason, locate(resource.spec, at), f"spec.{at}", hint)
    if not said.templates:
        reason = "the adapter takes no templates"
        findings.error(reason, resource.spec.place, "spec.templates", "list what it takes")
    if findings.errors:
        return None
    name, sessions = resource.key.name, said.session_based
    try:
        return adapters.adapter(name, frozenset(found), said.config, sessions)
    except BadDescriptor as error:
        _refuse(error, resource, "config", findings)
        return None


def _refuse(error: BadDescriptor, resource: Resource, field: str, findings: Findings) -> None:
    reason = f"the descriptor can't be used: {error}"
    findings.error(reason, locate(resource.spec, field), f"spec.{field}")


def packed(
    kind: type[adapters.Elsewhere], node: Node | None, field: str, findings: Findings
) -> Packed | None:
    """Encode the params of a handler for its adapter; None where there are none, or wrong ones."""
    given = None if is_null(node) or node is None else plain(node)
    if kind.params_type is None:
        if node is not None and given:
            reason = f"adapter {kind.name!r} takes no params"
            findings.error(reason, node.place, field, "remove them")
        return None
    if node is not None and not isinstance(given, dict | None):
        findings.error(f"must be a mapping, not {node}", node.place, field)
        return None
    found = params.packed(kind.params_type, given or {})
    if isinstance(found, Packed):
        return found
    for problem in found:
        place = locate(node, problem.field) if node is not None else Place()
        at = f"{field}.{problem.field}".rstrip(".")
        findings.error(problem.reason, place, at, problem.suggestion)
    return None
