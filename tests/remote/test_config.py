"""Configuration of adapters in other processes: what is wrong is told, and where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mixer.adapter.catalogue import load
from mixer.config.build import build
from mixer.config.load import parse_text
from mixer.runtime import Options
from mixer.runtime.plan import plan
from tests.remote.foreign import compiled, packed
from tests.remote.test_foreign import PARAMS, SETS, resources

CONFIG = compiled(PARAMS)
Problems = Callable[[str], list[str]]


def problems(text: str) -> list[str]:
    return [str(problem) for problem in plan(parse_text(text), load(), Options()).problems]


def place(text: str, part: str) -> str:
    """Where *part* stands in *text*, as problems say it."""
    before = text[: text.index(part)]
    return f"<text>:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


WHOLE = resources("everything", "localhost:9070", config=CONFIG, handler="{filePath: /tmp/x}")


def test_the_whole_has_no_problems() -> None:
    assert problems(WHOLE) == []


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        ("adapter: acme", "adapter: acne", "acne",
            "spec.adapter: adapter 'acne' not found in 'istio-system' (did you mean 'acme'?)"),
        ("adapter: acme", "adapter: denier", "denier",
            "(for the built-in adapter, write compiledAdapter: denier)"),
        ("templates: [everything]", "templates: [everythin]", "everythin]",
            "spec.templates[0]: template 'everythin' not found"),
        ("templates: [everything]", "templates: []", "description: somebody",
            "spec.templates: the adapter takes no templates"),
        ("template: everything", "template: metric", "metric",
            "for the built-in template, write compiledTemplate: metric"),
        ("params: {filePath: /tmp/x}", "params: {filPath: /tmp/x}", "/tmp/x",
            "params.filPath: unknown field 'filPath' (known here: filePath, wait, limits, mode)"),
        ("{filePath: /tmp/x}", "{limits: [{name: a}, {name: b, most: much}]}", "much",
            "spec.params.limits[1].most: 'much' does not fit: "),
        ("{filePath: /tmp/x}", "{mode: STRIKT}", "STRIKT", "params.mode: 'STRIKT' does not fit"),
        ("{filePath: /tmp/x}", "{wait: 5}", "5}", "spec.params.wait: 5 does not fit"),
        ("'localhost:9070'", "''", "''}", "spec.connection.address: empty connection address"),
        ("'localhost:9070'}", "x, timeout: 0s}", "0s}", "'0s' is not more than 0"),
        ("'localhost:9070'}", "x, authentication: {}}", "{}}", "is one of tls and mutual"),
        ("'localhost:9070'}", "x, authentication: {tls: {}}}", "{}}}",
            "connection.authentication.tls: the token comes from one of tokenPath and oauth"),
        ("'localhost:9070'}", "x, authentication: {tls: {tokenPath: /t}}}", "{tokenPath",
            "the token stands in one of authHeader and customHeader"),
        ("'localhost:9070'}", "x, authentication: {tls: {tokenPath: /t, customHeader: 'a b'}}}",
            "'a b'", "'a b' is no name of a header"),
        ("'localhost:9070'}", "x, authentication: {tls: {oauth: {clientId: a, clientSecret: b, "
            "tokenUrl: ftp://x}}}}", "ftp", "does not begin with"),
        ("'localhost:9070'}", "x, adress: y}", "adress", "unknown field 'adress'"),
        ("  params: {}", "  params: {txt: '1'}", "txt", "'txt' (did you mean 'text'?)"),
        ("  params: {}", "  params: {text: '1'}", "'1'", "expected type STRING, got INT64"),
        ("  params: {}", "  params: {color: 'true'}", "'true'",
            "expected type STRING or INT64, got BOOL"),
        ("  params: {}", "  params: {words: x}", "x}", "must be a list, not the text 'x'"),
        ("  params: {}", "  params: {words: ['source.nme']}", "'source.nme'", "source.nme"),
        ("  params: {}", "  params: {counts: [1]}", "[1]", "must be a mapping, not a list"),
        ("  params: {}", "  params: {shape: {kin: '\"a\"'}}", "kin:", "unknown field 'kin'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, at: str, reason: str) -> None:
    assert WHOLE.count(old) == 1
    text = WHOLE.replace(old, new)
    first = problems(text)[0]
    assert reason in first
    column = text.index(new) + new.index(at) if at in new else text.index(at)
    before = text[:column]
    line = before.count("\n") + 1
    assert first.startswith(f"<text>:{line}:")


def test_a_handler_without_params_has_none_where_there_is_no_message_for_them() -> None:
    text = resources("everything", "x:1", handler="{a: 1}")
    (found,) = [one for one in problems(text) if "params" in one]
    assert "adapter 'acme' takes no params (remove them)" in found


@pytest.mark.parametrize(("kind", "field"), [("template", "descriptor"), ("adapter", "config")])
def test_a_broken_descriptor_is_told_and_takes_only_its_own_down(kind: str, field: str) -> None:
    good = packed(SETS["everything"] if kind == "template" else CONFIG)
    found = problems(WHOLE.replace(good, "AAAA"))
    assert f"spec.{field}: the descriptor can't be used: " in found[0]
    assert all("error" in one for one in found)
    other = """
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: other}
spec:
  actions:
  - handler: {adapter: denier}
    instances: [{template: checknothing}]
"""
    model, _ = build(parse_text(WHOLE.replace(good, "AAAA") + other), load())
    assert [str(rule.key) for rule in model.rules] == ["rule/istio-system/other"]


def test_an_adapter_may_take_instances_of_installed_templates() -> None:
    text = """
apiVersion: meshmixer.io/v1
kind: adapter
metadata: {name: outside}
spec: {templates: [metric]}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: r}
spec:
  actions:
  - handler: {adapter: outside, connection: {address: 'x:1'}}
    instances: [{template: metric, params: {value: 1}}]
"""
    assert problems(text) == []
    istio = text.replace(
        "meshmixer.io/v1\nkind: adapter", "config.istio.io/v1alpha2\nkind: adapter"
    )
    istio = istio.replace("name: outside}", "name: outside, namespace: istio-system}")
    assert "template 'metric' not found" in problems(istio)[0]


def test_a_connection_of_a_built_in_adapter_means_nothing() -> None:
    text = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: r}
spec:
  actions:
  - handler: {adapter: denier, connection: {address: 'x:1'}}
    instances: [{template: checknothing}]
"""
    (found,) = problems(text)
    assert "warning" in found
    assert "a compiled adapter has no connection; it is ignored (remove it)" in found
