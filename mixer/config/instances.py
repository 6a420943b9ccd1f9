"""Instances: params read as expressions in the shape of their template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mixer.adapter.template import Instance as Template
from mixer.adapter.template import Variety
from mixer.config import params, spec
from mixer.config.convert import convert
from mixer.config.findings import Findings, closest
from mixer.config.leaves import Raw
from mixer.config.load import Resource
from mixer.config.model import Instance, Key, Text
from mixer.config.nodes import Node, camel, locate
from mixer.config.outside import Offered
from mixer.lang import Lang


def declared(
    resource: Resource, lang: Lang, offered: Offered, findings: Findings
) -> Instance | None:
    """Read a resource of kind ``instance``; None where it can't be used."""
    said = convert(resource.spec, spec.Instance, findings)
    if said is None:
        return None
    return configured(
        resource.key, said, lang, offered, findings, "spec", resource.spec, ours=resource.ours
    )


def configured(
    key: Key,
    said: spec.Instance,
    lang: Lang,
    offered: Offered,
    findings: Findings,
    field: str,
    node: Node,
    *,
    ours: bool,
) -> Instance | None:
    """
    Make the instance that *said*, read from *node* at *field*, describes.

    In our own API (*ours*) one word names templates of all kinds.
    """
    installed = offered.catalogue.templates
    name = said.compiled_template or said.template
    at = "compiledTemplate" if said.compiled_template else "template"
    if not name:
        names = ", ".join(installed)
        findings.error("names no template", node.place, f"{field}.{at}", f"write one of {names}")
        return None
    template = installed.get(name) if ours or said.compiled_template else None
    if template is None and not said.compiled_template:
        template = offered.templates.find(name, key.namespace)
    if template is None:
        if said.compiled_template or (ours and not offered.templates.knows(name, key.namespace)):
            reason, hint = f"there is no template {name!r}", closest(name, installed)
        else:
            reason, hint = offered.templates.why_not(name, key.namespace)
            if name in installed:
                hint = f"for the built-in template, write compiledTemplate: {name}"
        findings.error(reason, locate(node, at), f"{field}.{at}", hint)
        return None
    lang = lang.strict if said.strict else lang
    return _of(
        key, template, said.params, said.attribute_bindings, lang, findings, field, node, ours
    )


def legacy(
    resource: Resource, template: type[Template], lang: Lang, findings: Findings
) -> Instance | None:
    """Read a resource whose kind is the template's name and whose spec is its params."""
    node = resource.spec
    return _of(resource.key, template, Raw(node, "spec"), None, lang, findings, "spec", node, False)


def _of(
    key: Key,
    template: type[Template],
    given: Raw | None,
    bindings: Raw | None,
    lang: Lang,
    findings: Findings,
    field: str,
    node: Node,
    literals: bool,
) -> Instance | None:
    before = findings.errors
    at = given.field if given else field
    values, inner = params.read(
        given.node if given else None, template, findings, at, literals=literals
    )
    if bindings and template.variety is not Variety.ATTRIBUTE_GENERATOR:
        reason = f"template {template.template!r} finds no attributes to bind"
        hint = "attribute bindings are for attribute generators such as 'kubernetes'"
        findings.error(reason, bindings.node.place, bindings.field, hint)
    elif bindings and inner:
        reason = "attribute bindings are given here and in params"
        findings.error(reason, bindings.node.place, bindings.field, "remove one of them")
    elif inner:
        bindings = Raw(inner, f"{at}.{camel(params.BINDINGS)}")
    bound = _bindings(bindings, findings)
    if findings.errors > before:
        return None
    return Instance(key, template, values, lang, node.place, bound)


def _bindings(given: Raw | None, findings: Findings) -> Mapping[str, Text]:
    if given is None:
        return {}
    texts = params.texts(given.node, findings, given.field)
    return {attribute: _over_output(text) for attribute, text in texts.items()}


def _over_output(text: Text) -> Text:
    """Say ``output.`` for ``$out.``, which no grammar knows; offsets in it are no columns then."""
    if "$out." not in text.text:
        return text
    return replace(text, text=text.text.replace("$out.", "output."), inline=False)
