"""What the docs show works, and what there is, the docs show."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import structlog

from attributes import Bag, Vocabulary
from mixer.adapter.catalogue import Catalogue, load
from mixer.cli import mixc, mixs
from mixer.cli.eval_jsonl import answers
from mixer.cli.eval_session import Session
from mixer.config.load import parse_text
from mixer.dispatch.check import check
from mixer.expr.dialect import SPECIAL
from mixer.expr.overloads import CEL_TABLE, CEXL_TABLE
from mixer.runtime import Options, Runtime, validate
from mixer.runtime.plan import plan
from mixer.telemetry.metrics import Metrics
from mixer.telemetry.table import TABLE

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    return [code for said, code in FENCE.findall(page.read_text()) if said == language]


@pytest.fixture
def curfew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The adapter of the guide, as a module of its own."""
    code, *_ = blocks(ROOT / "docs" / "adapters.md", "python")
    file = tmp_path / "curfew.py"
    file.write_text(code)
    spec = importlib.util.spec_from_file_location("curfew", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "curfew", module)
    spec.loader.exec_module(module)
    return module


def test_the_guides_adapter_is_whole_in_under_40_lines(curfew: ModuleType) -> None:
    code, *_ = blocks(ROOT / "docs" / "adapters.md", "python")
    assert len(code.splitlines()) < 40


def test_the_guides_tests_of_its_adapter_pass(curfew: ModuleType) -> None:
    *_, code = blocks(ROOT / "docs" / "adapters.md", "python")
    names: dict[str, Any] = {}
    exec(compile(code, "adapters.md", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        if inspect.iscoroutinefunction(test):
            asyncio.run(test())
        else:
            test()


async def test_the_guides_rule_runs_the_guides_adapter(curfew: ModuleType, tmp_path: Path) -> None:
    rule, _ = blocks(ROOT / "docs" / "adapters.md", "yaml")
    (tmp_path / "rule.yaml").write_text(rule)
    catalogue = Catalogue.of([*load().adapters.values(), *curfew.mixer_adapters()])
    runtime = Runtime(
        catalogue,
        [str(tmp_path / "rule.yaml"), str(ROOT / "config" / "attributes.yaml")],
        Options(),
        Metrics(),
        structlog.wrap_logger(
            structlog.testing.CapturingLogger(), processors=[], wrapper_class=structlog.BoundLogger
        ),
        now=lambda: 3 * 3_600_000_000_000,
    )
    await runtime.start()
    assert runtime.snapshot is not None
    with runtime.snapshot as routes:
        answer = await check(routes, Bag({"request.url_path": "/admin"}), {})
    assert answer.precondition.message == "daytime-only.istio-system:closed at 3h"
    await runtime.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configuration_in_the_docs_is_valid(page: Path) -> None:
    catalogue = load()
    vocabulary = (ROOT / "config" / "attributes.yaml").read_text()
    for block in blocks(page, "yaml"):
        if "kind:" not in block or "curfew" in block:
            continue
        documents = parse_text(f"{vocabulary}\n---\n{block}", page.name)
        problems = plan(documents, catalogue, Options()).problems
        assert [str(problem) for problem in problems] == [], block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_docs_are_commands(page: Path) -> None:
    for block in [*blocks(page, "console"), *blocks(page, "sh")]:
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) or [""]
            command = words[0].removeprefix(".venv/bin/")
            if command in ("mixs", "mixc") and not any("$" in word for word in words):
                parser = mixs.parser() if command == "mixs" else mixc.parser()
                parser.parse_args(words[1:])


def test_nothing_there_is_lacks_a_word_in_the_reference() -> None:
    reference = {page.stem: page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md")}
    catalogue = load()
    assert all(f"## {name}\n" in reference["adapters"] for name in catalogue.adapters)
    assert all(f"## {name}\n" in reference["templates"] for name in catalogue.templates)
    assert all(f"`{line.name}`" in reference["metrics"] for line in TABLE)
    for command in (*mixs.subparsers(mixs.parser()), *mixs.subparsers(mixc.parser())):
        for action in command._actions:
            for option in action.option_strings:
                if action.dest != "help":
                    assert f"`{option}`" in reference["flags"]
    for text in reference.values():
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        assert [row for row in rows if row.endswith("|  |")] == []


def test_every_expression_of_the_guide_is_worth_what_it_says() -> None:
    text = (ROOT / "docs" / "expressions.md").read_text()
    rows = re.findall(r"^\| (`.*`) \| (`.*`) \|$", text, re.MULTILINE)
    assert len(rows) > 15
    for written, results in rows:
        texts, wanted = re.findall("`([^`]+)`", written), re.findall("`([^`]+)`", results)
        assert [Session(Vocabulary()).evaluate(text)[1] for text in texts] == wanted


def test_the_guide_shows_what_mixs_eval_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs" / "expressions.md"
    plain, explained = blocks(page, "sh")[0].splitlines()
    mixs.main(shlex.split(plain)[1:])
    assert capsys.readouterr().out == "true\n"
    words = [str(ROOT / "config") if word == "config/" else word for word in shlex.split(explained)]
    mixs.main(words[1:])
    assert f"```\n{capsys.readouterr().out}```\n" in page.read_text()
    echo, said, _ = shlex.split(blocks(page, "sh")[1].partition("mixs")[0])
    (line,) = answers([said])
    assert (echo, json.loads(line)["value"]) == ("echo", {"int64Value": "3"})


def test_every_macro_and_function_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "expressions.md").read_text()
    for name in (*SPECIAL, *CEL_TABLE, *CEXL_TABLE):
        if name[0].isalpha():
            assert re.search(rf"\b{re.escape(name)}\(|`{name}`", reference), name


def test_every_link_of_the_docs_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_guides_handler_says_how_it_is_called_in_words_that_are_right(tmp_path: Path) -> None:
    _, handler = blocks(ROOT / "docs" / "adapters.md", "yaml")
    (tmp_path / "handler.yaml").write_text(handler)
    assert [str(problem) for problem in validate([str(tmp_path)], load())] == []


async def test_the_guides_own_template_gives_attributes(tmp_path: Path) -> None:
    _, code, _ = blocks(ROOT / "docs" / "adapters.md", "python")
    file = tmp_path / "badges.py"
    file.write_text(code)
    spec = importlib.util.spec_from_file_location("badges", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["badges"] = module
    try:
        spec.loader.exec_module(module)
        assert await _user_of_badge_7(module, tmp_path) == "ann"
    finally:
        del sys.modules["badges"]


async def _user_of_badge_7(module: ModuleType, folder: Path) -> str:
    """Who is told as the caller to a header operation of another rule."""
    (folder / "rules.yaml").write_text(
        """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: who}
spec:
  actions:
  - handler: {adapter: badges, params: {badges: {"7": ann}}}
    instances:
    - template: who
      params: {badge: 'int(request.headers["badge"])'}
      attributeBindings: {source.user: 'output.user | "nobody"'}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: tell}
spec:
  requestHeaderOperations: [{name: x-user, values: [source.user]}]
"""
    )
    runtime = Runtime(
        Catalogue.of([*load().adapters.values(), module.Badges]),
        [str(folder / "rules.yaml"), str(ROOT / "config" / "attributes.yaml")],
        Options(),
        Metrics(),
        structlog.wrap_logger(
            structlog.testing.CapturingLogger(), processors=[], wrapper_class=structlog.BoundLogger
        ),
    )
    await runtime.start()
    assert runtime.snapshot is not None
    with runtime.snapshot as routes:
        answer = await check(routes, Bag({"request.headers": {"badge": "7"}}), {})
    await runtime.close()
    assert answer.precondition.directive is not None
    (change,) = answer.precondition.directive.request_headers
    return change.value
