"""Any adapter that is installed can be served, with the very params that it has in a mixer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mixer.adapter.catalogue import load
from mixer.cli.adapter_params import params_of_docs
from mixer.cli.mixs_adapter_serve import exported
from mixer.config.convert import convert
from mixer.config.findings import Findings
from mixer.config.nodes import plain
from mixer.config.parse import documents
from mixer.remote import configs, protos
from mixer.remote.connection import Packed
from mixer.remote.params import packed
from mixer.server.outside.app import descriptors
from mixer.server.outside.service import Served

ADAPTERS = load().adapters


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_params_mean_the_same_elsewhere(name: str) -> None:
    adapter = ADAPTERS[name]
    for node in params_of_docs(adapter):
        here = convert(node, adapter.config_type, Findings())
        sent = packed(configs.params_of(name, adapter.config_type), plain(node))
        assert isinstance(sent, Packed), sent
        said: Any = configs.given(adapter, sent.value)
        (document,) = documents(json.dumps(said).encode(), name)
        assert document.root is not None
        findings = Findings()
        assert convert(document.root, adapter.config_type, findings) == here, findings.problems


@pytest.mark.parametrize("name", sorted(ADAPTERS))
@pytest.mark.parametrize("istio", [False, True], ids=["ours", "istio"])
def test_it_can_be_served_and_told_of(name: str, istio: bool) -> None:
    adapter = ADAPTERS[name]
    for template in adapter.verbs:
        path = Served.of(template).wire.path
        service, _, method = path.lstrip("/").rpartition("/")
        found = descriptors(adapter).FindServiceByName(service)
        assert [one.name for one in found.methods] == [method]
        assert protos.wire_of(template).instance.name == "InstanceMsg"
    *templates, last = exported(adapter, "outside", "ns", istio=istio)
    assert last["kind"] == "adapter"
    assert last["spec"]["templates"] == [template.template for template in adapter.verbs]
    if istio:
        assert len(templates) == len(adapter.verbs)
