"""Handlers: params read into the config type of their adapter."""

from __future__ import annotations

from functools import partial
from typing import Any

from mixer.adapter.base import Adapter
from mixer.adapter.catalogue import Catalogue
from mixer.adapter.hosting import hosting_problems
from mixer.config import spec
from mixer.config.convert import convert
from mixer.config.findings import Findings, closest
from mixer.config.load import Resource
from mixer.config.model import Handler, Key
from mixer.config.nodes import MapNode, Node, locate
from mixer.errors import Place


def declared(resource: Resource, catalogue: Catalogue, findings: Findings) -> Handler | None:
    """Read a resource of kind ``handler``; None where it can't be used."""
    words: type[spec.Handler] = spec.Handler if resource.ours else spec.IstioHandler
    said = convert(resource.spec, words, findings)
    if said is None:
        return None
    if isinstance(said, spec.IstioHandler) and (said.connection or not said.compiled_adapter):
        _out_of_process(said, resource, catalogue, findings)
        if not said.compiled_adapter:
            return None
    title = f"{resource.key.name}.{resource.key.namespace}"
    return configured(resource.key, title, said, catalogue, findings, "spec", resource.spec)


def _out_of_process(
    said: spec.IstioHandler, resource: Resource, catalogue: Catalogue, findings: Findings
) -> None:
    place = resource.spec.place
    if said.compiled_adapter:
        reason = "a compiled adapter has no connection; it is ignored"
        findings.warn(reason, place, "spec.connection", "remove it")
    elif said.adapter or said.connection:
        name = said.adapter if said.adapter in catalogue.adapters else "NAME"
        hint = f"for a built-in adapter, write compiledAdapter: {name}"
        reason = "out-of-process adapters are not supported yet"
        findings.error(reason, locate(resource.spec, "adapter"), "spec.adapter", hint)
    else:
        names = ", ".join(catalogue.adapters)
        findings.error("names no adapter", place, "spec.compiledAdapter", f"write one of {names}")


def configured(
    key: Key,
    title: str,
    said: spec.Handler,
    catalogue: Catalogue,
    findings: Findings,
    field: str,
    node: Node,
) -> Handler | None:
    """Make the handler that *said*, read from *node* at *field*, describes."""
    name = said.compiled_adapter or said.adapter
    at = f"{field}.compiledAdapter" if said.compiled_adapter else f"{field}.adapter"
    place = locate(node, at.removeprefix(f"{field}."))
    if not name:
        names = ", ".join(catalogue.adapters)
        findings.error("names no adapter", node.place, at, f"write one of {names}")
        return None
    adapter = catalogue.adapters.get(name)
    if adapter is None and name in catalogue.broken:
        reason = f"the adapter {name!r} is installed but can't be loaded: {catalogue.broken[name]}"
        findings.error(reason, place, at, "repair or reinstall the package it comes from")
        return None
    if adapter is None:
        hint = closest(name, catalogue.adapters)
        findings.error(f"there is no adapter {name!r}", place, at, hint)
        return None
    params = said.params.node if said.params else _empty(node)
    where = said.params.field if said.params else f"{field}.params"
    _check_hosting(said, adapter, findings, field, node)
    return _of(key, title, adapter, params, where, node.place, said, findings)


def legacy(resource: Resource, adapter: type[Adapter[Any]], findings: Findings) -> Handler | None:
    """Read a resource whose kind is the adapter's name and whose spec is its params."""
    title = resource.key.full_name
    return _of(
        resource.key,
        title,
        adapter,
        resource.spec,
        "spec",
        resource.place,
        spec.Handler(),
        findings,
    )


def _of(
    key: Key,
    title: str,
    adapter: type[Adapter[Any]],
    params: Node,
    field: str,
    place: Place,
    said: spec.Handler,
    findings: Findings,
) -> Handler | None:
    config = convert(params, adapter.config_type, findings, field)
    if config is None:
        return None
    return Handler(key, title, adapter, config, place, said.hosting(), partial(locate, params))


def _check_hosting(
    said: spec.Handler,
    adapter: type[Adapter[Any]],
    findings: Findings,
    field: str,
    node: Node,
) -> None:
    """Find what does not go together, or means nothing, in how *adapter* is to be called."""
    for found in hosting_problems(said):
        at = locate(node, found.field)
        findings.error(found.reason, at, f"{field}.{found.field}", found.suggestion)
    if said.queue is not None and "report" not in adapter.verbs.values():
        reason = f"the adapter {adapter.name!r} takes no reports, so nothing waits in a queue"
        findings.warn(reason, locate(node, "queue"), f"{field}.queue", "remove it")


def _empty(node: Node) -> Node:
    return MapNode(node.file, node.line, node.column, {}, {})
