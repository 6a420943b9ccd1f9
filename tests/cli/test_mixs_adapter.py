"""``mixs adapter`` lists, shows, writes and tries adapters."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mixer.adapter.catalogue import Catalogue, load
from mixer.adapter.templates import TEMPLATES
from mixer.cli.mixs import main
from mixer.runtime import validate

NAMES = [template.template for template in TEMPLATES]
SEVERAL = ["checknothing", "authorization", "quota", "logentry", "metric", "kubernetes"]


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the modules that a test imports from files."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("meshmixer_"):
            del sys.modules[name]


def written(name: str, folder: Path, *templates: str) -> Path:
    words = [word for template in templates for word in ("--template", template)]
    package = folder / f"meshmixer-{name}"
    assert main(["adapter", "new", name, *words, "--folder", str(package)]) == 0
    return package


def module_of(package: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"meshmixer_{name}", package / f"meshmixer_{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("templates", [*([one] for one in NAMES), SEVERAL], ids="-".join)
def test_a_new_adapter_passes_its_tests_and_the_linters_and_its_rule_is_valid(
    templates: list[str], tmp_path: Path
) -> None:
    package = written("fresh", tmp_path, *templates)
    tests = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    found = subprocess.run(
        [*tests, "tests"], cwd=package, env={"PYTHONPATH": f".:{Path(__file__).parents[2]}"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout
    for check in (["check", "--isolated", "--select=E,F,I,W"], ["format", "--isolated", "--check"]):
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--line-length=100", "."],
            cwd=package, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ruff.returncode == 0, ruff.stdout
    module = module_of(package, "fresh")
    catalogue = Catalogue.of([*load().adapters.values(), *module.mixer_adapters()])
    assert validate([str(package / "rules")], catalogue) == []


def test_a_new_package_names_its_entry_point_and_what_it_needs(tmp_path: Path) -> None:
    package = written("fresh", tmp_path)
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"mixer.adapters": {"fresh": "meshmixer_fresh"}}
    assert project["dependencies"] == ["meshmixer>=0.1,<1"]
    assert ast.get_docstring(ast.parse((package / "meshmixer_fresh.py").read_text()))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["Fresh"], "'Fresh' is no name of an adapter: small letters and digits make one"),
        (["denier"], "there is an adapter 'denier' already; choose another name"),
        (["fresh", "--template", "metrics"], "the template 'metrics' is not known; give one of "),
        (["fresh", "--folder", "."], "is there and not empty; choose another with --folder"),
    ],
)
def test_what_can_not_be_written_is_said(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "something").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["adapter", "new", *words]) == 1
    assert told in capsys.readouterr().err


def test_all_adapters_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapter", "list", "--output", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [line["name"] for line in listed["adapters"]] == list(load().adapters)
    (denier,) = (line for line in listed["adapters"] if line["name"] == "denier")
    assert denier == {
        "name": "denier",
        "templates": ["checknothing", "listentry", "quota"],
        "package": listed["adapters"][0]["package"],
        "about": "Answers every check with one status, and every allocation with nothing.",
    }
    assert main(["adapter", "list"]) == 0
    assert "denier          Answers every check" in capsys.readouterr().out


def test_an_adapter_is_shown_with_all_its_keys_and_its_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["adapter", "show", "memquota"]) == 0
    shown = capsys.readouterr().out
    assert "| `minDeduplicationDuration` | duration" in shown or "min_deduplication" in shown
    assert "compiledAdapter: memquota" in shown
    assert main(["adapter", "show", "memquota", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "memquota"


def test_an_unknown_adapter_is_told_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for verb in ("show", "test"):
        assert main(["adapter", verb, "memquot"]) == 1
        assert "there is no adapter 'memquot'; installed are apikey, bypass, denier" in (
            capsys.readouterr().err
        )


def test_an_adapter_is_tried_with_the_params_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("quotas: [{name: rq.quota.ns, maxAmount: 5}]")
    assert main(["adapter", "test", "memquota", "--params", str(file)]) == 0
    assert "memquota: no broken promises" in capsys.readouterr().out
    file.write_text("quotas: [{nam: rq.quota.ns}]")
    assert main(["adapter", "test", "memquota", "--params", str(file)]) == 1
    assert f"{file}:1:" in capsys.readouterr().err
