"""Resources to the model: manifests, handlers, instances, kinds and languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attributes import Duration, ValueType
from mixer.adapter.catalogue import Catalogue
from mixer.config.build import build
from mixer.config.load import Documents, read
from mixer.config.model import Text
from mixer.errors import Severity
from mixer.lang import Lang

ISTIO = "config.istio.io/v1alpha2"
OURS = "meshmixer.io/v1"


def resource(kind: str, name: str, spec: str, api: str = ISTIO, more: str = "") -> str:
    return (
        f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}, namespace: ns{more}}}\n"
        f"spec: {spec}\n---\n"
    )


def instance(name: str, template: str, params: str, **options: str) -> str:
    spec = f"{{compiledTemplate: {template}, params: {params}}}"
    return resource("instance", name, spec, **options)


def rule_for(handler: str, instance: str) -> str:
    return resource("rule", "r", f"{{actions: [{{handler: {handler}, instances: [{instance}]}}]}}")


NOTHING = instance("nothing", "checknothing", "{}")


def texts(params: Any) -> Any:
    """Params with the bare text of each expression."""
    return {k: v.text if isinstance(v, Text) else texts(v) for k, v in params.items()}


# Manifests


def test_manifests_of_all_namespaces_merge(built: Any) -> None:
    model, problems = built(
        resource("attributemanifest", "a", "{attributes: {x.y: {valueType: STRING}}}")
        + resource("attributemanifest", "b", "{attributes: {z: {value_type: 2, description: d}}}")
    )
    assert problems == []
    assert {name: found.type for name, found in model.vocabulary.items()} == {
        "x.y": ValueType.STRING,
        "z": ValueType.INT64,
    }


def test_the_first_type_of_an_attribute_counts_and_another_is_warned_of(built: Any) -> None:
    model, problems = built(
        resource("attributemanifest", "a", "{attributes: {x: {valueType: STRING}}}")
        + resource("attributemanifest", "b", "{attributes: {x: {valueType: INT64}}}")
        + resource("attributemanifest", "c", "{attributes: {x: {valueType: STRING}}}")
    )
    (problem,) = problems
    assert model.vocabulary["x"].type is ValueType.STRING
    assert problem.severity is Severity.WARNING
    assert "'x' is INT64 here, but already STRING at test.yaml:4:" in problem.reason


def test_a_manifest_that_is_partly_wrong_still_declares_the_rest(built: Any) -> None:
    spec = "{attributes: {x: {valueType: STRNG}, w: {valueType: BOOL}, z: {}}}"
    model, problems = built(resource("attributemanifest", "a", spec))
    assert list(model.vocabulary) == ["w"]
    assert [problem.field for problem in problems] == [
        "spec.attributes.x.valueType",
        "spec.attributes.z.value_type",
    ]
    assert "did you mean 'STRING'?" in problems[0].suggestion


# Handlers


@pytest.mark.parametrize(
    ("kind", "spec", "api", "reference", "title"),
    [
        ("handler", "{compiledAdapter: probe, params: {count: 3}}", ISTIO, "h", "h.ns"),
        ("handler", "{adapter: probe, params: {count: 3}}", OURS, "h", "h.ns"),
        ("probe", "{count: 3}", ISTIO, "h.probe", "h.probe.ns"),
    ],
    ids=["istio", "ours", "legacy"],
)
def test_a_handler_is_read_in_every_form(
    built: Any, kind: str, spec: str, api: str, reference: str, title: str
) -> None:
    model, problems = built(
        resource(kind, "h", spec, api) + NOTHING + rule_for(reference, "nothing")
    )
    assert problems == []
    (handler,) = model.handlers
    assert (handler.title, handler.params.count, handler.adapter.name) == (title, 3, "probe")
    assert handler.hosting.timeout == Duration.of(5)


def test_a_handler_locates_the_fields_of_its_params(built: Any) -> None:
    text = (
        "apiVersion: meshmixer.io/v1\nkind: handler\nmetadata: {name: h, namespace: ns}\n"
        "spec:\n  adapter: probe\n  timeout: 300ms\n"
        "  params:\n    parts:\n    - maxAmount: 2\n---\n"
    )
    model, problems = built(text + NOTHING + rule_for("h", "nothing"))
    assert problems == []
    (handler,) = model.handlers
    assert str(handler.locate("parts[0].max_amount")) == "test.yaml:9:18"
    assert str(handler.locate("count")) == "test.yaml:8:5"
    assert handler.hosting.timeout == Duration.of(0.3)


@pytest.mark.parametrize(
    ("spec", "api", "field", "reason", "suggestion"),
    [
        ("{compiledAdapter: prob}", ISTIO, "compiledAdapter", "no adapter 'prob'", "'probe'"),
        ("{}", ISTIO, "compiledAdapter", "names no adapter", "probe"),
        ("{}", OURS, "adapter", "names no adapter", "probe"),
        ("{adapter: probe}", ISTIO, "adapter", "'probe' not found", "compiledAdapter: probe"),
        ("{adapter: mine, connection: {address: x}}", ISTIO, "adapter", "'mine' not found", ""),
        ("{compiledAdapter: probe, parms: {}}", ISTIO, "parms", "unknown field", "'params'"),
        (
            "{compiledAdapter: probe, params: {cuont: 1}}",
            ISTIO,
            "params.cuont",
            "unknown field 'cuont'",
            "'count'",
        ),
        ("{compiledAdapter: probe, timeout: 0s}", ISTIO, "timeout", "must be greater", ""),
    ],
)
def test_a_handler_that_is_wrong_is_dropped_with_its_rule(
    built: Any, spec: str, api: str, field: str, reason: str, suggestion: str
) -> None:
    model, problems = built(
        resource("handler", "h", spec, api) + NOTHING + rule_for("h", "nothing")
    )
    own, follow_up = problems
    assert (own.resource, own.field) == ("handler/ns/h", f"spec.{field}")
    assert reason in own.reason
    assert suggestion in own.suggestion
    assert "has errors" in follow_up.reason
    assert (model.handlers, model.rules) == ((), ())


def test_a_connection_beside_a_compiled_adapter_is_ignored_with_a_warning(built: Any) -> None:
    spec = "{compiledAdapter: probe, connection: {address: x}}"
    model, problems = built(resource("handler", "h", spec) + NOTHING + rule_for("h", "nothing"))
    assert [problem.severity for problem in problems] == [Severity.WARNING]
    assert len(model.handlers) == 1


# Instances


@pytest.mark.parametrize(
    ("template", "params", "expected"),
    [
        ("checknothing", "{}", {}),
        ("listentry", "{value: source.ip}", {"value": "source.ip"}),
        ("listentry", "{value: ''}", {}),
        ("listentry", "{value: null}", {}),
        (
            "metric",
            "{value: '1', dimensions: {a.b: x}}",
            {"value": "1", "dimensions": {"a.b": "x"}},
        ),
        ("logentry", "{monitored_resource_type: t}", {"monitored_resource_type": "t"}),
        ("logentry", "{monitoredResourceType: t}", {"monitored_resource_type": "t"}),
        ("tracespan", "{httpStatusCode: response.code}", {"http_status_code": "response.code"}),
        (
            "authorization",
            "{subject: {user: u, properties: {p: q}}, action: {path: r}}",
            {"subject": {"user": "u", "properties": {"p": "q"}}, "action": {"path": "r"}},
        ),
    ],
)
def test_params_are_kept_as_texts_in_the_shape_of_the_template(
    built: Any, template: str, params: str, expected: Any
) -> None:
    model, problems = built(instance("i", template, params))
    assert problems == []
    assert texts(model.instances[0].params) == expected
    assert model.instances[0].name == "i.instance.ns"


def test_a_text_knows_its_place_and_field(built: Any) -> None:
    model, _ = built(instance("i", "metric", "{dimensions: {a: 'b.c'}}"))
    text = model.instances[0].params["dimensions"]["a"]
    assert text.field == "spec.params.dimensions.a"
    assert text.place.line == 4
    assert text.inline


@pytest.mark.parametrize(
    ("template", "params", "field", "reason", "suggestion"),
    [
        ("listentry", "{valeu: x}", "params.valeu", "unknown field 'valeu'", "'value'"),
        ("listentry", "{name: x}", "params.name", "unknown field 'name'", "value"),
        ("listentry", "{value: 1}", "params.value", "not the number 1", "'1'"),
        ("listentry", "{value: true}", "params.value", "not the boolean true", "'true'"),
        ("listentry", "{value: yes}", "params.value", "boolean true to some", "'yes'"),
        ("listentry", "{value: [x]}", "params.value", "must be an expression, not a list", ""),
        ("listentry", "x", "params", "must be a mapping", "value"),
        ("metric", "{dimensions: {a: ''}}", "params.dimensions.a", "is empty", "'\"\"'"),
        ("metric", "{dimensions: x}", "params.dimensions", "must be a mapping", "KEY: EXPR"),
        ("authorization", "{subject: x}", "params.subject", "must be a mapping", "user"),
        ("authorization", "{subject: {usr: x}}", "params.subject.usr", "unknown field", "'user'"),
        (
            "logentry",
            "{monitored_resource_type: a, monitoredResourceType: b}",
            "params.monitoredResourceType",
            "are one field",
            "remove",
        ),
        ("listentri", "{}", "compiledTemplate", "no template 'listentri'", "'listentry'"),
        ("''", "{}", "template", "names no template", "listentry"),
        ("checknothing", "{attributeBindings: {}}", "params.attributeBindings", "unknown", ""),
    ],
)
def test_params_that_do_not_fit_drop_the_instance(
    built: Any, template: str, params: str, field: str, reason: str, suggestion: str
) -> None:
    model, problems = built(instance("i", template, params))
    (problem,) = problems
    assert model.instances == ()
    assert (problem.resource, problem.field) == ("instance/ns/i", f"spec.{field}")
    assert reason in problem.reason
    assert suggestion in problem.suggestion


def test_our_api_takes_bare_numbers_and_booleans_for_literals(built: Any) -> None:
    spec = "{template: metric, params: {value: 1, dimensions: {a: true, b: -2.50, c: True}}}"
    model, problems = built(resource("instance", "i", spec, OURS))
    assert problems == []
    assert texts(model.instances[0].params) == {
        "value": "1",
        "dimensions": {"a": "true", "b": "-2.5", "c": "true"},
    }


@pytest.mark.parametrize(
    "spec",
    [
        "{compiledTemplate: kubernetes, attributeBindings: {source.name: $out.source_pod_name}}",
        "{compiledTemplate: kubernetes, params: {attribute_bindings: "
        "{source.name: $out.source_pod_name}}}",
    ],
    ids=["beside-params", "in-params"],
)
def test_attribute_bindings_are_read_over_the_output(built: Any, spec: str) -> None:
    model, problems = built(resource("instance", "i", spec))
    assert problems == []
    (found,) = model.instances
    assert texts(found.bindings) == {"source.name": "output.source_pod_name"}
    assert found.params == {}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("{compiledTemplate: listentry, attributeBindings: {a: b}}", "finds no attributes"),
        (
            "{compiledTemplate: kubernetes, attributeBindings: {a: b}, "
            "params: {attributeBindings: {a: b}}}",
            "here and in params",
        ),
        ("{template: mine}", "template 'mine' not found"),
    ],
)
def test_an_instance_says_what_its_template_cannot_do(built: Any, spec: str, reason: str) -> None:
    model, problems = built(resource("instance", "i", spec))
    assert model.instances == ()
    assert [reason in problem.reason for problem in problems] == [True]


def test_a_legacy_instance_has_its_params_for_a_spec(built: Any) -> None:
    model, problems = built(
        resource("listentry", "i", "{value: source.ip}")
        + resource("kubernetes", "k", "{attribute_bindings: {source.ip: $out.source_pod_ip}}")
        + resource("handler", "h", "{compiledAdapter: probe}")
        + rule_for("h", "i.listentry")
    )
    assert problems == []
    assert {found.name for found in model.instances} == {"i.listentry.ns", "k.kubernetes.ns"}
    assert model.rules[0].actions[0].instances[0].name == "i.listentry.ns"


# Kinds, APIs, languages


@pytest.mark.parametrize("kind", ["QuotaSpec", "QuotaSpecBinding", "HTTPAPISpec"])
def test_client_side_kinds_are_skipped_in_silence(built: Any, kind: str) -> None:
    assert built(resource(kind, "q", "{rules: []}"))[1] == []


@pytest.mark.parametrize(
    ("kind", "api", "severity", "reason", "suggestion"),
    [
        ("Rule", ISTIO, "warning", "unknown kind 'Rule'", "did you mean 'rule'?"),
        ("Deployment", "apps/v1", "warning", "unknown kind 'Deployment'", ""),
        ("probe", OURS, "error", "has no kind 'probe'", "kind: handler with adapter: probe"),
        ("metric", OURS, "error", "has no kind 'metric'", "kind: instance with template: metric"),
        ("handler", "meshmixer.io/v2", "error", "unknown apiVersion", OURS),
    ],
)
def test_a_kind_that_is_not_served_is_told(
    built: Any, kind: str, api: str, severity: str, reason: str, suggestion: str
) -> None:
    (problem,) = built(resource(kind, "x", "{}", api))[1]
    assert problem.severity.value == severity
    assert reason in problem.reason
    assert suggestion in problem.suggestion


def test_an_unknown_api_version_is_read_as_istios_with_a_warning(built: Any) -> None:
    model, problems = built(instance("i", "listentry", "{value: x}", api="config.istio.io/v1"))
    assert len(model.instances) == 1
    assert [problem.severity for problem in problems] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("api", "annotation", "override", "expected"),
    [
        (ISTIO, None, None, Lang.CEXL),
        (OURS, None, None, Lang.CEL),
        (ISTIO, "CEL", None, Lang.CEL),
        (ISTIO, "COMPAT", None, Lang.COMPAT),
        (OURS, "CEXL", None, Lang.CEXL),
        (ISTIO, "CEL", Lang.CEXL, Lang.CEXL),
        (OURS, None, Lang.COMPAT, Lang.COMPAT),
    ],
)
def test_the_language_follows_override_annotation_and_api(
    built: Any, api: str, annotation: str | None, override: Lang | None, expected: Lang
) -> None:
    more = f", annotations: {{policy.istio.io/lang: {annotation}}}" if annotation else ""
    text = instance("i", "checknothing", "{}", api=api, more=more)
    model, problems = built(text, lang_override=override)
    assert problems == []
    assert model.instances[0].lang is expected


def test_an_unknown_language_is_warned_of(built: Any) -> None:
    more = ", annotations: {policy.istio.io/lang: cell}"
    model, (problem,) = built(instance("i", "checknothing", "{}", more=more))
    assert model.instances[0].lang is Lang.CEXL
    assert problem.suggestion == "did you mean 'CEL'?"


def test_an_error_in_the_text_drops_only_its_resource(built: Any) -> None:
    model, problems = built(
        instance("bad", "listentry", "{value: a, value: b}") + instance("good", "listentry", "{}")
    )
    assert [found.key.name for found in model.instances] == ["good"]
    assert [(problem.resource, problem.place.line) for problem in problems] == [
        ("instance/ns/bad", 4)
    ]


def test_problems_come_by_place_with_those_of_the_documents(built: Any) -> None:
    _, problems = built(
        rule_for("none", "none") + "a: [\n---\n" + instance("i", "listentry", "{bogus: x}")
    )
    lines = [problem.place.line for problem in problems]
    assert len(lines) == 4
    assert lines == sorted(lines)


def test_nothing_configured_is_an_empty_model(catalogue: Catalogue) -> None:
    model, problems = build(Documents(()), catalogue)
    assert (dict(model.vocabulary), model.handlers, model.instances, model.rules) == (
        {}, (), (), ()
    )  # fmt: skip
    assert problems == []


@pytest.mark.parametrize("folder", ["norule", "check", "telemetry", "telemetry-log"])
def test_istios_own_configuration_is_read_without_problems_of_its_own(
    istio_config: Path, catalogue: Catalogue, folder: str
) -> None:
    documents = read(istio_config / folder)
    model, problems = build(documents, catalogue)
    assert documents.problems == ()
    assert len(model.vocabulary) == 90
    kinds = [resource.key.kind for resource in documents.resources]
    assert len(model.instances) == kinds.count("instance")
    # All that is left to say is that the tests' catalogue lacks the built-in adapters.
    about = ("there is no adapter", "has errors")
    assert [one for one in problems if not any(word in one.reason for word in about)] == []
