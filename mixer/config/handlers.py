"""Handlers: params read into the config type of their adapter."""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from mixer.adapter.base import Adapter
from mixer.adapter.hosting import Hosting, hosting_problems
from mixer.config import spec
from mixer.config.convert import convert
from mixer.config.findings import Findings, closest
from mixer.config.load import Resource
from mixer.config.model import Handler, Key
from mixer.config.nodes import MapNode, Node, locate
from mixer.config.outside import Offered, packed
from mixer.errors import Place
from mixer.remote.adapters import Elsewhere
from mixer.remote.connection import Connection, OutsideConfig, connection_problems


def declared(resource: Resource, offered: Offered, findings: Findings) -> Handler | None:
    """Read a resource of kind ``handler``; None where it can't be used."""
    words: type[spec.Handler] = spec.Handler if resource.ours else spec.IstioHandler
    said = convert(resource.spec, words, findings)
    if said is None:
        return None
    title = f"{resource.key.name}.{resource.key.namespace}"
    return configured(resource.key, title, said, offered, findings, "spec", resource.spec)


def configured(
    key: Key,
    title: str,
    said: spec.Handler,
    offered: Offered,
    findings: Findings,
    field: str,
    node: Node,
) -> Handler | None:
    """Make the handler that *said*, read from *node* at *field*, describes."""
    catalogue = offered.catalogue
    name = said.compiled_adapter or said.adapter
    at = f"{field}.compiledAdapter" if said.compiled_adapter else f"{field}.adapter"
    place = locate(node, at.removeprefix(f"{field}."))
    if not name:
        names = ", ".join(catalogue.adapters)
        word = "compiledAdapter" if isinstance(said, spec.IstioHandler) else "adapter"
        findings.error("names no adapter", node.place, f"{field}.{word}", f"write one of {names}")
        return None
    installed = bool(said.compiled_adapter) or not isinstance(said, spec.IstioHandler)
    adapter = catalogue.adapters.get(name) if installed else None
    if adapter is not None:
        if said.connection is not None:
            reason = "a compiled adapter has no connection; it is ignored"
            findings.warn(reason, locate(node, "connection"), f"{field}.connection", "remove it")
        params = said.params.node if said.params else _empty(node)
        where = said.params.field if said.params else f"{field}.params"
        _check_hosting(said, adapter, findings, field, node)
        return _of(key, title, adapter, params, where, node.place, said, findings)
    elsewhere = None if said.compiled_adapter else offered.adapters.find(name, key.namespace)
    if elsewhere is not None:
        return _outside(key, title, elsewhere, said, findings, field, node)
    if name in catalogue.broken and installed:
        reason = f"the adapter {name!r} is installed but can't be loaded: {catalogue.broken[name]}"
        findings.error(reason, place, at, "repair or reinstall the package it comes from")
    elif installed and not said.connection:
        hint = closest(name, catalogue.adapters)
        findings.error(f"there is no adapter {name!r}", place, at, hint)
    else:
        reason, hint = offered.adapters.why_not(name, key.namespace)
        if name in catalogue.adapters:
            hint = f"for the built-in adapter, write compiledAdapter: {name}"
        findings.error(reason, place, at, hint)
    return None


def _outside(
    key: Key,
    title: str,
    adapter: type[Elsewhere],
    said: spec.Handler,
    findings: Findings,
    field: str,
    node: Node,
) -> Handler | None:
    """Make a handler of an *adapter* in another process."""
    before = findings.errors
    params = said.params.node if said.params else None
    encoded = packed(adapter, params, f"{field}.params", findings)
    connection = said.connection or Connection()
    for found in connection_problems(connection):
        at = f"connection.{found.field}"
        findings.error(found.reason, locate(node, at), f"{field}.{at}", found.suggestion)
    _check_hosting(said, adapter, findings, field, node)
    if findings.errors > before:
        return None
    config = OutsideConfig(connection=connection, params=encoded)
    hosting = said.hosting()
    if connection.timeout is not None and said.timeout == Hosting().timeout:
        hosting = replace(hosting, timeout=connection.timeout)
    return Handler(key, title, adapter, config, node.place, hosting, partial(locate, node))


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
