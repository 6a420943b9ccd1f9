"""`mixs convert`: what comes out is CEL, means the same, and is otherwise what went in."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from attributes import Bag, Duration, Timestamp, Value, ValueType, Vocabulary
from mixer.adapter import catalogue
from mixer.cli import mixs
from mixer.config import build, load
from mixer.config.model import Model
from mixer.errors import EvaluationError, Severity
from mixer.rules.compile import Compiled, compile_rules

ROOT = Path(__file__).parents[2]
ISTIO = ROOT.parent / "shared" / "istio-config"
HEAD = "apiVersion: config.istio.io/v1alpha2\n"
RULE = (
    HEAD
    + """kind: rule
metadata:
  name: r
  namespace: shop
spec:
  match: MATCH
  actions:
  - handler: h
    instances: [i]
"""
)
OTHERS = (
    "---\n"
    + HEAD
    + """kind: handler
metadata: {name: h, namespace: shop}
spec:
  compiledAdapter: noop
---
# What is looked at.
"""
    + HEAD
    + """kind: instance
metadata:
  name: i
  namespace: shop
  labels: {team: a}  # of ours
spec:
  compiledTemplate: listentry
  params:
    value: source.ip  # who calls
---
"""
    + HEAD
    + """kind: attributemanifest
metadata: {name: m, namespace: shop}
spec:
  attributes:
    source.ip: {valueType: IP_ADDRESS}
    a.s: {valueType: STRING}
    a.m: {valueType: STRING_MAP}
    one: {valueType: BOOL}
"""
)


def convert(tmp_path: Path, text: str, *flags: str) -> tuple[int, str]:
    """Convert one file; the exit code and the new text."""
    (tmp_path / "in.yaml").write_text(text, encoding="utf-8")
    code = mixs.main(
        ["convert", str(tmp_path / "in.yaml"), "--output", str(tmp_path / "out"), *flags]
    )
    target = tmp_path / "out" / "in.yaml"
    return code, target.read_text(encoding="utf-8") if target.exists() else ""


def compiled(source: Path) -> tuple[Model, Compiled]:
    model, problems = build.build(load.read([str(source)]), catalogue.load())
    rules = compile_rules(model)
    assert not [p for p in (*problems, *rules.problems) if p.severity is Severity.ERROR]
    return model, rules


def value(type_: ValueType, random: Random) -> Value:
    words = ["", "a", "reviews", "ratings", "http", "unknown", "inbound", "abc"]
    text = random.choice(words)
    choices: dict[ValueType, Any] = {
        ValueType.INT64: random.choice([0, 200, 404]),
        ValueType.DOUBLE: 0.5,
        ValueType.BOOL: random.random() < 0.5,
        ValueType.TIMESTAMP: Timestamp.parse("2020-01-01T00:00:00Z"),
        ValueType.DURATION: Duration.parse("5ms"),
        ValueType.IP_ADDRESS: bytes([10, 0, 0, random.randrange(256)]),
        ValueType.STRING_MAP: {key: random.choice(words) for key in ("app", "version", "clnt")},
    }
    return choices.get(type_, text)  # type: ignore[no-any-return]


def bags(vocabulary: Vocabulary, count: int) -> list[dict[str, Value]]:
    random = Random(7)
    return [
        {
            name: value(attribute.type, random)
            for name, attribute in vocabulary.items()
            if random.random() < 0.7
        }
        for _ in range(count)
    ]


def outcomes(rules: Compiled, bag: dict[str, Value]) -> dict[str, Any]:
    """By rule: whether it takes the call, and what it makes of it."""
    found: dict[str, Any] = {}
    for rule in rules.rules:
        takes = rule.match is None or rule.match.run(Bag(bag)) is True
        made = []
        for _, builders in rule.actions:
            for builder in builders:
                try:
                    made.append(builder.build(Bag(bag)))
                except EvaluationError:
                    made.append(None)
        found[str(rule.rule.key)] = (takes, made)
    return found


@pytest.mark.parametrize("flags", [(), ("--inline",)], ids=["annotated", "inline"])
@pytest.mark.parametrize("folder", ["check", "telemetry", "telemetry-log"])
def test_istio_s_own_rules_take_the_same_calls_and_say_the_same(
    folder: str, flags: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert mixs.main(["convert", str(ISTIO / folder), "--output", str(out), *flags]) == 0
    before_model, before = compiled(ISTIO / folder)
    after_model, after = compiled(out)
    assert {rule.lang.value for rule in after_model.rules} == {"CEL"}
    for bag in [{}, *bags(before_model.vocabulary, 40)]:
        assert outcomes(before, bag) == outcomes(after, bag)


def test_all_that_is_no_expression_stays_as_it_was(tmp_path: Path) -> None:
    text = RULE.replace("MATCH", 'a.s != "x"  # not x') + OTHERS
    code, found = convert(tmp_path, text)
    annotation, r = "  annotations: {policy.istio.io/lang: CEL}\n", "  name: r\n  namespace: shop\n"
    expected = (
        text.replace('a.s != "x"  #', 'has(a.s) && a.s != "x"  #')
        .replace("value: source.ip  #", "value: source.?ip.value()  #")
        .replace(r, r + annotation)
        .replace("  # of ours\n", "  # of ours\n" + annotation)
    )
    assert (code, found) == (0, expected)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("'a.s != \"x\"'", 'has(a.s) && a.s != "x"'),
        ('"a.s != \\"x\\""', 'has(a.s) && a.s != "x"'),
        ("|\n    a.s != \"x\"", 'has(a.s) && a.s != "x"'),
        (">-\n    a.s\n    != \"x\"", 'has(a.s) && a.s != "x"'),
        ("'match(a.s | \"\", \"*: x\")'", "match(a.s | \"\", \"*: x\")"),
    ],
    ids=["single quotes", "double quotes", "literal block", "folded block", "needs quotes"],
)  # fmt: skip
def test_every_style_of_scalar_is_rewritten(written: str, says: str, tmp_path: Path) -> None:
    code, _ = convert(tmp_path, RULE.replace("MATCH", written) + OTHERS)
    assert code == 0
    model, _ = compiled(tmp_path / "out")
    assert [rule.match.text.strip() for rule in model.rules] == [says]


def test_a_rule_gets_its_handler_and_instance_inline(tmp_path: Path) -> None:
    code, found = convert(tmp_path, RULE.replace("MATCH", 'a.s == "x"') + OTHERS, "--inline")
    assert code == 0
    assert found.startswith(
        """apiVersion: meshmixer.io/v1
kind: rule
metadata:
  name: r
  namespace: shop
spec:
  # mixs convert: onError is for both now: a match that fails used to skip the rule
  onError: fail
  match: a.s == "x"
  actions:
  # mixs convert: the handler h is called r.shop now
  - handler:
      adapter: noop
    instances:
    # What is looked at.
    - name: i
      template: listentry
      params:
        value: source.?ip.value()  # who calls
---
apiVersion: meshmixer.io/v1
kind: attributemanifest
"""
    )


def test_a_handler_of_two_rules_stays_one(tmp_path: Path) -> None:
    second = RULE.replace("name: r\n", "name: r2\n").replace("MATCH", "'true'")
    text = RULE.replace("MATCH", "'true'") + "---\n" + second + OTHERS
    code, found = convert(tmp_path, text, "--inline")
    assert code == 0
    assert "# mixs convert: h is used 2 times and stays one, with one state" in found
    model, _ = compiled(tmp_path / "out")
    assert len(model.handlers) == 1


def test_kinds_of_adapters_and_templates_become_handlers_and_instances(tmp_path: Path) -> None:
    text = (
        RULE.replace("MATCH", "'true'")
        .replace("handler: h", "handler: h.denier")
        .replace("instances: [i]", "instances:\n    - i.checknothing")
        + f"---\n{HEAD}kind: denier\nmetadata: {{name: h, namespace: shop}}\nspec:\n"
        + "  status:\n    code: 7  # denied\n"
        + f"---\n{HEAD}kind: checknothing\nmetadata: {{name: i, namespace: shop}}\nspec:\n"
    )
    code, found = convert(tmp_path, text, "--inline")
    assert code == 0
    assert "adapter: denier\n      params:\n        status:\n          code: 7  # denied" in found
    assert "template: checknothing" in found
    compiled(tmp_path / "out")


def test_what_can_not_be_kept_is_said_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = convert(tmp_path, RULE.replace("MATCH", "one == false") + OTHERS)
    assert code == 0
    assert "  # mixs convert: where one is absent, the original fails" in found
    assert "1 notes" in capsys.readouterr().err


def test_compat_becomes_cel(tmp_path: Path) -> None:
    marked = RULE.replace(
        "  namespace: shop\n", "  namespace: shop\n  annotations: {policy.istio.io/lang: COMPAT}\n"
    )
    code, found = convert(tmp_path, marked.replace("MATCH", 'a.s.matches("x")') + OTHERS)
    assert code == 0
    assert 'match: a.s.matches("x")' in found
    assert "COMPAT" not in found


def test_what_is_ours_already_stays(tmp_path: Path) -> None:
    for name in ("deny-list-by-ip.yaml", "rate-limit.yaml"):
        source = (ROOT / "config" / name).read_text(encoding="utf-8")
        vocabulary = (ROOT / "config" / "attributes.yaml").read_text(encoding="utf-8")
        code, found = convert(tmp_path, source + "---\n" + vocabulary, "--force", "--inline")
        assert code == 0
        assert found.split("---\n")[0].strip() == source.split("---\n")[0].strip()


def test_invalid_input_is_named_and_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = convert(tmp_path, RULE.replace("MATCH", "no.such") + OTHERS)
    assert (code, found) == (1, "")
    assert "in.yaml:7:10: error: rule/shop/r spec.match: unknown attribute" in (
        capsys.readouterr().err
    )


def test_files_are_not_replaced_by_accident(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RULE.replace("MATCH", "'true'") + OTHERS
    convert(tmp_path, text)
    assert convert(tmp_path, text)[0] == 1
    assert "say --force" in capsys.readouterr().err
    assert convert(tmp_path, text, "--force")[0] == 0


def test_without_a_folder_the_text_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.yaml").write_text(RULE.replace("MATCH", "'true'") + OTHERS, encoding="utf-8")
    assert mixs.main(["convert", str(tmp_path / "in.yaml")]) == 0
    assert capsys.readouterr().out.startswith("apiVersion: config.istio.io/v1alpha2\nkind: rule")
