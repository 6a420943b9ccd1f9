"""Nodes to typed params, by proto's strict JSON rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from attributes import Duration
from mixer.config.convert import convert, reader
from mixer.config.findings import Findings
from mixer.config.parse import documents
from mixer.errors import Problem


def read(text: str, type_: Any) -> tuple[Any, list[Problem]]:
    (document,) = documents(text.encode(), "f.yaml")
    assert document.root is not None
    findings = Findings("handler/ns/probe")
    return convert(document.root, type_, findings, "spec.params"), findings.problems


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("text: x", "text", "x"),
        ("text: '5'", "text", "5"),
        ("count: 3", "count", 3),
        ("count: '3'", "count", 3),
        ("count: 3.0", "count", 3),
        ("count: -9223372036854775808", "count", -(2**63)),
        ("ratio: 1", "ratio", 1.0),
        ("ratio: '0.25'", "ratio", 0.25),
        ("enabled: true", "enabled", True),
        ("validDuration: 1.5s", "valid_duration", Duration.of(1.5)),
        ("valid_duration: 1h30m", "valid_duration", Duration.of(5400)),
        ("colour: GREEN", "colour", 1),
        ("colour: 1", "colour", 1),
        ("'@type': x", "type_url", "x"),
        ("labels: {a: b}", "labels", {"a": "b"}),
        ("text: null", "text", "default"),
    ],
)
def test_a_value_is_read_as_its_type(
    config_type: Any, text: str, field: str, expected: Any
) -> None:
    config, problems = read(text, config_type)
    assert problems == []
    assert getattr(config, field) == expected


def test_what_is_not_mentioned_has_its_default(config_type: Any) -> None:
    config, _ = read("count: 1", config_type)
    assert config == config_type(count=1)


def test_a_mentioned_message_replaces_the_default_as_a_whole(config_type: Any) -> None:
    config, _ = read("part: {name: mine}\nmaybe: {}\nlimits: {a.b: {maxAmount: 2}}", config_type)
    assert (config.part.name, config.part.max_amount) == ("mine", 5)
    assert config.maybe.name == "nobody"
    assert config.limits["a.b"].max_amount == 2


@pytest.mark.parametrize(
    ("text", "field", "reason", "suggestion"),
    [
        ("cuont: 1", "cuont", "unknown field 'cuont'", "did you mean 'count'?"),
        ("valid_duration: 1s\nvalidDuration: 2s", "validDuration", "are one field", "remove one"),
        ("text: 5", "text", "must be a text, not the number 5", "'5'"),
        ("text: yes", "text", "the boolean true to some YAML readers", "'yes' in quotes"),
        ("text: [a]", "text", "must be a text, not a list", ""),
        ("count: x", "count", "must be a whole number, not the text 'x'", ""),
        ("count: 1.5", "count", "must be a whole number", ""),
        ("count: true", "count", "must be a whole number, not the boolean true", ""),
        ("count: 012", "count", "octal", "write 12"),
        ("count: 9223372036854775808", "count", "64 bits", ""),
        ("ratio: x", "ratio", "must be a number", ""),
        ("ratio: 1.5", "ratio", "must be at most 1, not the number 1.5", ""),
        ("ratio: NaN", "ratio", "must be at least 0", ""),
        ("enabled: 'true'", "enabled", "must be true or false, not the text 'true'", ""),
        ("enabled: on", "enabled", "the boolean true to some", "write true"),
        ("validDuration: 5", "validDuration", "must be a duration", "give a unit: 5s"),
        ("validDuration: soon", "validDuration", "'soon' is not a duration", ""),
        ("validDuration: 0s", "validDuration", "must be greater than 0s", ""),
        ("colour: green", "colour", "must be one of a fixed set", "did you mean 'GREEN'?"),
        ("colour: 7", "colour", "must be one of a fixed set", "RED, GREEN"),
        ("part: x", "part", "must be a mapping, not the text 'x'", "name, max"),
        ("part: {max_amount: 0}", "part.max_amount", "must be greater than 0", ""),
        ("parts: {name: x}", "parts", "must be a list, not a mapping", ""),
        ("parts: x", "parts", "must be a list", "write [x]"),
        ("parts: [{}, {nmae: x}]", "parts[1].nmae", "unknown field", "'name'"),
        ("parts: [null]", "parts[0]", "must be a mapping, not null", ""),
        ("labels: {a: 1}", "labels.a", "must be a text", ""),
        ("labels: {a: null}", "labels.a", "must be a text, not null", ""),
        ("labels: [a]", "labels", "must be a mapping, not a list", ""),
        ("limits: {a.b: {name: 1}}", 'limits["a.b"].name', "must be a text", ""),
    ],
)
def test_a_wrong_value_is_told_with_its_field(
    config_type: Any, text: str, field: str, reason: str, suggestion: str
) -> None:
    config, problems = read(text, config_type)
    (problem,) = problems
    assert config is None
    assert problem.field == f"spec.params.{field}"
    assert problem.resource == "handler/ns/probe"
    assert problem.place.file == "f.yaml"
    assert reason in problem.reason
    assert suggestion in problem.suggestion


def test_all_problems_of_a_block_are_told_at_once(config_type: Any) -> None:
    _, problems = read("count: x\nparts:\n- {nmae: 1}\n- {name: 2}\nbogus: 1\n", config_type)
    assert [problem.place.line for problem in problems] == [1, 3, 4, 5]


def test_a_required_field_must_be_given() -> None:
    class Strict(msgspec.Struct, kw_only=True):
        name: str

    value, problems = read("{}", Strict)
    assert value is None
    assert [(problem.field, problem.reason) for problem in problems] == [
        ("spec.params.name", "is required")
    ]


def test_a_config_may_hold_itself() -> None:
    tree, problems = read("children: [{children: [{}]}]", Tree)
    assert problems == []
    assert tree == Tree(children=(Tree(children=(Tree(),)),))


class Tree(msgspec.Struct, kw_only=True):
    children: tuple[Tree, ...] = ()


@pytest.mark.parametrize("annotation", [bytes, object, set[str], tuple[str, int]])
def test_a_type_that_params_cannot_have_is_the_adapters_mistake(annotation: Any) -> None:
    with pytest.raises(TypeError, match="params can't have a field of type"):
        reader(annotation)
