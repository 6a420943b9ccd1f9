"""Rules: actions, references, inline handlers and instances, words and their defaults."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import Any

import pytest

from attributes import Duration
from mixer.answers import HeaderVerb
from mixer.config.model import Mode, OnError, RandomSampling, RateLimitSampling
from mixer.errors import Severity

DECLARED = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: h, namespace: ns}
spec: {compiledAdapter: probe}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: check, namespace: ns}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: report, namespace: ns}
spec: {compiledTemplate: metric, params: {value: '1'}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: edge, namespace: ns}
spec: {compiledTemplate: edge}
---
"""


def rule(spec: str, api: str = "config.istio.io/v1alpha2", name: str = "r") -> str:
    head = f"apiVersion: {api}\nkind: rule\nmetadata: {{name: {name}, namespace: ns}}\nspec:\n"
    return head + indent(dedent(spec), "  ") + "\n---\n"


def ours(spec: str, name: str = "r") -> str:
    return rule(spec, "meshmixer.io/v1", name)


def test_a_rule_in_istios_words(built: Any) -> None:
    model, problems = built(
        DECLARED
        + rule("match: a == b\nactions: [{handler: h, instances: [check, report], name: x}]")
    )
    assert problems == []
    (found,) = model.rules
    assert (found.match.text, found.match.field) == ("a == b", "spec.match")
    (action,) = found.actions
    assert action.name == "x"
    assert [one.key.name for one in action.instances] == ["check", "report"]
    assert action.handler is model.handlers[0]
    assert (found.on_match_error, found.on_handler_error, found.on_missing_handler) == (
        OnError.SKIP,
        OnError.FAIL,
        OnError.SKIP,
    )


@pytest.mark.parametrize(
    ("spec", "field", "reason", "suggestion"),
    [
        ("actions: [{handler: g, instances: [check]}]", "actions[0].handler", "'g' not found", "h"),
        (
            "actions: [{handler: h, instances: [chek]}]",
            "actions[0].instances[0]",
            "instance 'chek' not found in 'ns'",
            "did you mean 'check'?",
        ),
        (
            "actions: [{handler: h, instances: [edge]}]",
            "actions[0].instances[0]",
            "'probe' does not take instances of template 'edge'",
            "listentry",
        ),
        ("actions: [{handler: h}]", "actions[0].instances", "no instances", ""),
        ("actions: [{instances: [check]}]", "actions[0].handler", "is required", ""),
        ("actions: [{handler: 1, instances: [check]}]", "actions[0].handler", "a text", "'1'"),
        ("match: x", "actions", "no actions and no header operations", ""),
        ("match: true", "match", "must be an expression, not the boolean true", "'true'"),
        ("mtach: x", "mtach", "unknown field", "'match'"),
        ("onError: deny", "onError", "unknown field", ""),
        (
            "actions: [{handler: {adapter: probe}, instances: [check]}]",
            "actions[0].handler",
            "must be the name of a declared handler",
            "meshmixer.io/v1",
        ),
        ("requestHeaderOperations: [{values: [x]}]", "requestHeaderOperations[0].name", "", ""),
        (
            "requestHeaderOperations: [{name: x, values: ['']}]",
            "requestHeaderOperations[0].values[0]",
            "is empty",
            "",
        ),
        (
            "sampling: {rateLimit: {samplingDuration: 1s, samplingRate: 0}}",
            "sampling.rateLimit.samplingRate",
            "must be greater than 0",
            "",
        ),
    ],
)
def test_a_rule_of_which_nothing_is_left_is_dropped(
    built: Any, spec: str, field: str, reason: str, suggestion: str
) -> None:
    model, problems = built(DECLARED + rule(spec))
    problem = problems[0]
    assert model.rules == ()
    assert (problem.resource, problem.field) == ("rule/ns/r", f"spec.{field}")
    assert reason in problem.reason
    assert suggestion in problem.suggestion


def test_what_is_wrong_with_an_action_leaves_the_others(built: Any) -> None:
    model, problems = built(
        DECLARED
        + rule(
            """
            actions:
            - {handler: none, instances: [check]}
            - {handler: h, instances: [check, edge, check, none]}
            """
        )
    )
    (found,) = model.rules
    assert [[one.key.name for one in action.instances] for action in found.actions] == [["check"]]
    assert [problem.field for problem in problems] == [
        "spec.actions[0].handler",
        "spec.actions[1].instances[1]",
        "spec.actions[1].instances[2]",
        "spec.actions[1].instances[3]",
    ]


def test_header_operations_need_no_actions(built: Any) -> None:
    model, problems = built(
        rule(
            """
            requestHeaderOperations:
            - {name: a, values: ['"x"', b.c]}
            - {name: b, operation: REMOVE}
            response_header_operations:
            - {name: c, values: ['"y"'], operation: 2}
            """
        )
    )
    assert problems == []
    (found,) = model.rules
    assert [(one.name, one.verb) for one in found.request_headers] == [
        ("a", HeaderVerb.REPLACE),
        ("b", HeaderVerb.REMOVE),
    ]
    assert [text.text for text in found.request_headers[0].values] == ['"x"', "b.c"]
    assert found.response_headers[0].verb is HeaderVerb.APPEND


def test_a_header_without_values_is_warned_of(built: Any) -> None:
    _, (problem,) = built(rule("requestHeaderOperations: [{name: a}]"))
    assert problem.severity is Severity.WARNING
    assert problem.place.line == 5


@pytest.mark.parametrize(
    ("sampling", "random", "rate_limit"),
    [
        (
            "{random: {percentSampled: {numerator: 5}}}",
            RandomSampling(5, 100),
            None,
        ),
        (
            "{random: {percentSampled: {numerator: 7, denominator: TEN_THOUSAND}, "
            "useIndependentRandomness: true}}",
            RandomSampling(7, 10_000, None, True),
            None,
        ),
        (
            "{rateLimit: {samplingDuration: 10s, maxUnsampledEntries: '3', samplingRate: 2}}",
            None,
            RateLimitSampling(Duration.of(10), 3, 2),
        ),
    ],
)
def test_sampling_is_read(built: Any, sampling: str, random: Any, rate_limit: Any) -> None:
    spec = f"sampling: {sampling}\nactions: [{{handler: h, instances: [check]}}]"
    model, problems = built(DECLARED + rule(spec))
    assert problems == []
    assert (model.rules[0].random, model.rules[0].rate_limit) == (random, rate_limit)


INLINE = """
match: a
actions:
- handler: {adapter: probe, params: {count: 2}, timeout: 1s}
  instances: [{template: listentry, params: {value: source.ip}}, check]
- handler: {adapter: probe}
  instances: [{template: metric, name: calls, params: {value: 1}}, {template: checknothing}]
"""


def test_a_rule_of_ours_holds_handlers_and_instances(built: Any) -> None:
    model, problems = built(DECLARED + ours(INLINE))
    assert problems == []
    assert [handler.title for handler in model.handlers] == ["r.ns", "r-2.ns"]
    assert [str(handler.key) for handler in model.handlers] == ["handler/ns/r", "handler/ns/r-2"]
    assert model.handlers[0].hosting.timeout == Duration.of(1)
    names = [[one.name for one in action.instances] for action in model.rules[0].actions]
    assert names == [
        ["r.instance.ns", "check.instance.ns"],
        ["calls.instance.ns", "r-2.instance.ns"],
    ]
    value = model.rules[0].actions[0].instances[0].params["value"]
    assert value.field == "spec.actions[0].instances[0].params.value"
    assert value.place.line > DECLARED.count("\n")
    assert {one.name for one in model.instances} >= {"r.instance.ns", "calls.instance.ns"}


def test_an_inline_handler_never_takes_a_declared_name(built: Any) -> None:
    model, problems = built(
        DECLARED + ours("actions: [{handler: {adapter: probe}, instances: [check]}]", name="h")
    )
    assert problems == []
    assert [handler.title for handler in model.handlers] == ["h-2.ns"]


def test_an_inline_instance_cannot_have_a_name_that_is_taken(built: Any) -> None:
    spec = "actions: [{handler: h, instances: [{template: checknothing, name: check}]}]"
    model, (problem,) = built(DECLARED + ours(spec))
    assert model.rules == ()
    assert "there is an instance 'check' already, at test.yaml:6:1" in problem.reason


def test_problems_of_inline_things_carry_their_place_in_the_rule(built: Any) -> None:
    spec = """
    actions:
    - handler: {adapter: prob}
      instances: [{template: listentry, params: {valeu: x}}]
    """
    _, problems = built(ours(spec))
    assert [(one.resource, one.field) for one in problems] == [
        ("rule/ns/r", "spec.actions[0].handler.adapter"),
        ("rule/ns/r", "spec.actions[0].instances[0].params.valeu"),
    ]


@pytest.mark.parametrize(
    ("instances", "word", "expected"),
    [
        ("[check]", "", OnError.DENY),
        ("[report, check]", "", OnError.DENY),
        ("[report]", "", OnError.SKIP),
        ("[check]", "onError: skip", OnError.SKIP),
        ("[report]", "onError: fail", OnError.FAIL),
        ("[report]", "on_error: deny", OnError.DENY),
    ],
)
def test_a_rule_of_ours_fails_closed_if_it_checks(
    built: Any, instances: str, word: str, expected: OnError
) -> None:
    model, problems = built(
        DECLARED + ours(f"actions: [{{handler: h, instances: {instances}}}]\n{word}")
    )
    assert problems == []
    (found,) = model.rules
    assert found.on_match_error is found.on_handler_error is found.on_missing_handler is expected


@pytest.mark.parametrize(
    ("word", "mode"),
    [("enforce", Mode.ENFORCE), ("shadow", Mode.SHADOW), ("off", Mode.OFF), ("'off'", Mode.OFF)],
)
def test_mode_is_a_word_even_where_yaml_1_1_sees_a_boolean(
    built: Any, word: str, mode: Mode
) -> None:
    spec = f"mode: {word}\nactions: [{{handler: h, instances: [check]}}]"
    model, problems = built(DECLARED + ours(spec))
    assert problems == []
    assert model.rules[0].mode is mode
    assert len(model.handlers) == (mode is not Mode.OFF)


def test_a_wrong_word_says_which_there_are(built: Any) -> None:
    _, (problem,) = built(DECLARED + ours("mode: of\nactions: []"))
    assert (problem.field, problem.suggestion) == ("spec.mode", "did you mean 'off'?")


def test_rules_come_by_priority_and_then_in_order(built: Any) -> None:
    spec = "actions: [{handler: h, instances: [check]}]\npriority: "
    priorities = {"a": 0, "b": 5, "c": 5, "d": -1}
    model, _ = built(
        DECLARED + "".join(ours(f"{spec}{number}", name) for name, number in priorities.items())
    )
    assert [found.key.name for found in model.rules] == ["b", "c", "a", "d"]


def test_all_that_is_wrong_with_a_rule_is_told_at_once(built: Any) -> None:
    text = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: r}
spec:
  mode: shadwo
  priority: high
  actions:
  - handler: {adapter: nobody}
    instances: [{template: quota, params: {dimensions: {a: 012}}}]
"""
    model, problems = built(text)
    assert model.rules == ()
    assert [rule.key.name for rule in model.rejected] == ["r"]
    assert [problem.field for problem in problems] == [
        "spec.mode",
        "spec.priority",
        "spec.actions[0].handler.adapter",
        "spec.actions[0].instances[0].params.dimensions.a",
    ]
