"""Fields in words, and the docstrings they take them from."""

from __future__ import annotations

from typing import Any

import pytest

from mixer.adapter import Authorization, LogEntry, Subject, TraceSpan
from mixer.adapter.docs import field_docs
from mixer.adapter.templates import TEMPLATES
from mixer.config import spec
from mixer.config.describe import FieldInfo, fields, structs


def test_params_are_told_with_type_default_and_doc(config_type: Any) -> None:
    assert [(found.name, found.type_text, found.default_text) for found in fields(config_type)] == [
        ("text", "text", "default"),
        ("count", "whole number", "7"),
        ("ratio", "number, >= 0, <= 1", "0.5"),
        ("enabled", "true or false", "false"),
        ("valid_duration", "duration, > 0s", "1m0s"),
        ("colour", "one of RED, GREEN", "RED"),
        ("part", "Part", "{name: default part, max_amount: 9}"),
        ("maybe", "Part", ""),
        ("parts", "list of Part", "[]"),
        ("labels", "map of text", "{default: yes}"),
        ("limits", "map of Part", "{}"),
        ("@type", "text", '""'),
    ]
    assert fields(config_type)[1].doc == "A number of things."


def test_templates_are_told_with_the_type_of_each_expression() -> None:
    assert fields(LogEntry)[0] == FieldInfo(
        "variables", "map of any type", "", "The content of the line."
    )
    types = {found.name: found.type_text for found in fields(TraceSpan)}
    assert (types["start_time"], types["source_ip"], types["client_span"]) == (
        "TIMESTAMP",
        "IP_ADDRESS",
        "BOOL",
    )
    assert "name" not in types


def test_nested_structs_are_listed_once(config_type: Any) -> None:
    assert [found.__name__ for found in structs(config_type)] == ["Part"]
    assert [found.__name__ for found in structs(Authorization)] == ["Subject", "Action"]
    assert [found.name for found in fields(Subject)] == ["user", "groups", "properties"]


def test_a_class_without_source_has_no_docs() -> None:
    assert field_docs(type("Made", (), {"__annotations__": {"a": int}})) == {}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.template)
def test_every_field_of_a_built_in_template_is_documented(template: Any) -> None:
    for type_ in (template, *structs(template)):
        assert [found.name for found in fields(type_) if not found.doc] == []


@pytest.mark.parametrize(
    "type_", [spec.AttributeManifest, spec.IstioHandler, spec.Instance, spec.Rule]
)
def test_every_field_of_a_resource_is_documented(type_: Any) -> None:
    for found in (type_, *structs(type_)):
        assert [field.name for field in fields(found) if not field.doc] == []
