"""What one function for many rules could get wrong; each test goes the plain way as well."""

from __future__ import annotations

from pathlib import Path

from mixer.adapter import Adapter, Checks, Config, ListEntry, Verdict

from .conftest import Start


class Nothing(Config, frozen=True):
    """No params."""


class Says(Adapter[Nothing], Checks[ListEntry], name="says"):
    """Denies with the value that it gets, so that it is seen in the answer."""

    def check(self, instance: ListEntry, /) -> Verdict:
        return Verdict.deny(instance.value)


def rule(name: str, match: str, *values: str, on_error: str = "deny") -> str:
    instances = "".join(
        f"\n    - {{template: listentry, params: {{value: '{value}'}}}}" for value in values
    )
    return f"""
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: {name}, namespace: istio-system}}
spec:
  match: '{match}'
  onError: {on_error}
  actions:
  - handler: {{adapter: says, params: {{}}}}
    instances:{instances}
---
"""


async def test_expressions_with_loops_have_their_steps_each_for_itself(start: Start) -> None:
    loop = "[1, 2, 3].map(x, string(x) + source.name)[0]"
    mixer = await start(
        rule("a", "true", loop, loop) + rule("b", "[1].exists(x, x == 1)", loop), Says
    )
    answer = await mixer.check({"source.name": "n"})
    assert answer.precondition.message.count(":1n") == 3


async def test_a_read_that_failed_in_one_rule_is_made_again_by_the_next(start: Start) -> None:
    mixer = await start(
        rule("a", 'source.user == "x" && source.name == "n"', "source.name")
        + rule("b", 'source.name == "n"', "source.name")
        + rule("c", 'source.user.size() > 0 || source.name == "n"', "source.name"),
        Says,
    )
    answer = await mixer.check({"source.name": "n"})
    assert {name for name, _ in answer.precondition.seen.references} >= {
        "source.user",
        "source.name",
    }
    assert answer.precondition.message.count(":n") == 2


async def test_after_an_instance_that_fails_the_others_of_its_rule_are_built(
    start: Start,
) -> None:
    fails = "string(1 / source.user.size())"
    mixer = await start(rule("a", "true", fails, "source.name", fails), Says)
    message = (await mixer.check({"source.name": "n"})).precondition.message
    assert message.count("zero") == 2
    assert message.count(":n") == 1


async def test_more_rules_than_one_function_holds_are_all_asked(start: Start) -> None:
    many = "".join(rule(f"r{at:03}", f'source.name == "n{at}"', "source.name") for at in range(120))
    mixer = await start(many, Says)
    for at in (0, 49, 50, 99, 119):
        answer = await mixer.check({"source.name": f"n{at}"})
        assert answer.precondition.message.count(f":n{at}") == 1
        assert answer.precondition.code == 7


async def test_a_log_line_too_deep_for_python_is_reported_all_the_same(
    start: Start, tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    deep = 'source.name == "n" || (source.user == "x" && ' * 25 + "1 / 0 > 1" + ")" * 25
    mixer = await start(
        f"""
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: deep, namespace: istio-system}}
spec:
  actions:
  - handler: {{adapter: stdio, params: {{logStream: FILE, outputPath: {lines}}}}}
    instances:
    - {{template: logentry, params: {{variables: {{deep: '{deep}'}}}}}}
""",
    )
    await mixer.report({"source.name": "n"})
    assert '"deep":true' in lines.read_text()
