"""The JSON Schema of configuration documents, tried with an independent validator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mixer.adapter.catalogue import Catalogue
from mixer.config.schema import schema


@pytest.fixture(scope="module")
def validator(catalogue: Catalogue) -> Any:
    made = schema(catalogue)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def document(kind: str, spec: str, api: str = "config.istio.io/v1alpha2") -> Any:
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": "x", "namespace": "ns"},
        "spec": yaml.safe_load(spec),
    }


OURS = "meshmixer.io/v1"
ISTIO = "config.istio.io/v1alpha2"


@pytest.mark.parametrize(
    ("kind", "api", "spec"),
    [
        (
            "attributemanifest",
            ISTIO,
            "{attributes: {a.b: {valueType: STRING}, c: {value_type: 2}}}",
        ),
        ("handler", ISTIO, "{compiledAdapter: probe, params: {count: '3', maybe: null}}"),
        ("handler", ISTIO, "{compiledAdapter: probe, params: {parts: [{maxAmount: 1}]}}"),
        ("handler", OURS, "{adapter: probe, params: {validDuration: 1m30s, colour: GREEN}}"),
        ("probe", ISTIO, "{ratio: 0.5, '@type': x}"),
        ("instance", ISTIO, "{compiledTemplate: metric, params: {value: '1', dimensions: {a: b}}}"),
        ("instance", OURS, "{template: metric, params: {value: 1, dimensions: {a: true}}}"),
        ("instance", ISTIO, "{compiledTemplate: kubernetes, attributeBindings: {a: $out.b}}"),
        ("logentry", ISTIO, "{monitoredResourceType: x, monitored_resource_dimensions: {}}"),
        ("rule", ISTIO, "{match: a, actions: [{handler: h, instances: [i]}]}"),
        ("rule", OURS, "{onError: deny, actions: [{handler: {adapter: probe}, instances: [i]}]}"),
        ("rule", OURS, "{actions: [{handler: h, instances: [{template: checknothing}]}]}"),
        ("QuotaSpec", ISTIO, "{rules: []}"),
        ("adapter", ISTIO, "{config: abc}"),
    ],
)
def test_the_schema_accepts_what_the_loader_does(
    validator: Any, kind: str, api: str, spec: str
) -> None:
    validator.validate(document(kind, spec, api))


@pytest.mark.parametrize(
    ("kind", "api", "spec"),
    [
        ("attributemanifest", ISTIO, "{attributes: {a: {valueType: STRNG}}}"),
        ("attributemanifest", ISTIO, "{attributes: {a: {description: x}}}"),
        ("handler", ISTIO, "{compiledAdapter: nobody}"),
        ("handler", ISTIO, "{params: {}}"),
        ("handler", ISTIO, "{compiledAdapter: probe, params: {cuont: 1}}"),
        ("handler", ISTIO, "{compiledAdapter: probe, params: {count: x}}"),
        ("handler", ISTIO, "{compiledAdapter: probe, params: {ratio: 2}}"),
        ("handler", ISTIO, "{compiledAdapter: probe, params: {validDuration: 5}}"),
        ("handler", ISTIO, "{compiledAdapter: probe, params: {parts: [{max_amount: 0}]}}"),
        ("handler", OURS, "{adapter: probe, params: {colour: BLUE}}"),
        ("handler", OURS, "{adapter: probe, connection: {adress: x}}"),
        ("probe", ISTIO, "{enabled: 'true'}"),
        ("instance", ISTIO, "{compiledTemplate: metric, params: {value: 1}}"),
        ("instance", ISTIO, "{compiledTemplate: metric, params: {valeu: '1'}}"),
        ("instance", ISTIO, "{compiledTemplate: authorization, params: {subject: {usr: x}}}"),
        ("rule", ISTIO, "{mtach: a}"),
        ("rule", ISTIO, "{onError: deny}"),
        ("rule", ISTIO, "{actions: [{instances: [i]}]}"),
        ("rule", ISTIO, "{actions: [{handler: {adapter: probe}, instances: [i]}]}"),
        ("rule", OURS, "{mode: of}"),
        ("rule", OURS, "{actions: [{handler: {adapter: probe, params: {cuont: 1}}}]}"),
        (
            "rule",
            OURS,
            "{actions: [{handler: h, instances: [{template: metric, params: {v: 1}}]}]}",
        ),
        ("Rule", ISTIO, "{}"),
        ("probe", OURS, "{}"),
    ],
)
def test_the_schema_refuses_what_the_loader_does(
    validator: Any, kind: str, api: str, spec: str
) -> None:
    assert not validator.is_valid(document(kind, spec, api))


def test_only_our_api_may_leave_the_namespace_out(validator: Any) -> None:
    for api, valid in ((OURS, True), (ISTIO, False)):
        found = document("instance", "{compiledTemplate: checknothing}", api)
        del found["metadata"]["namespace"]
        assert validator.is_valid(found) is valid


@pytest.mark.parametrize("folder", ["check", "telemetry", "telemetry-log"])
def test_the_schema_accepts_istios_own_configuration(
    validator: Any, istio_config: Path, folder: str
) -> None:
    for path in sorted((istio_config / folder).glob("*.yaml")):
        for found in yaml.safe_load_all(path.read_text()):
            if found["kind"] != "handler":  # the tests' catalogue lacks the built-in adapters
                validator.validate(found)


def test_the_schema_carries_docs_and_defaults(catalogue: Catalogue) -> None:
    defs = schema(catalogue)["$defs"]
    (probe,) = (found for name, found in defs.items() if name.endswith("ProbeConfig"))
    assert probe["description"] == "One param of every kind."
    properties = probe["properties"]
    assert properties["count"]["description"] == "A number of things."
    assert properties["validDuration"]["default"] == "1m0s"
    assert properties["valid_duration"] == properties["validDuration"]
    assert properties["part"]["default"] == {"name": "default part", "max_amount": 9}
    assert properties["colour"]["default"] == "RED"
