"""Files to resources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixer.config.load import Documents, Resource, parse_text, read
from mixer.errors import Severity, StartError


def rule(name: str, kind: str = "rule", spec: str = "{}") -> str:
    return (
        f"apiVersion: config.istio.io/v1alpha2\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: ns}}\nspec: {spec}\n"
    )


def names(documents: Documents) -> list[str]:
    return [resource.key.name for resource in documents.resources]


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def good(documents: Documents) -> dict[object, Resource]:
    return {resource.key: resource for resource in documents.resources}


def test_resources_come_in_order_of_path_then_document(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    write(tmp_path, c=rule("five"), a=rule("one") + "---\n" + rule("two"))
    write(tmp_path / "b", z=rule("four"), a=rule("three"))
    (tmp_path / "b" / "notes.txt").write_text("not yaml: [")
    (tmp_path / "d.yml").write_text(rule("six"))
    assert names(read(tmp_path)) == ["one", "two", "three", "four", "five", "six"]


@pytest.mark.parametrize("form", ["{}", "fs://{}"], ids=["path", "url"])
def test_a_source_is_a_path_or_an_fs_url(tmp_path: Path, form: str) -> None:
    write(tmp_path, a=rule("one"))
    assert names(read(form.format(tmp_path))) == ["one"]


def test_a_url_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, a=rule("one"))
    assert names(read("fs://./")) == ["one"]


def test_several_sources_come_in_the_order_given(tmp_path: Path) -> None:
    write(tmp_path, a=rule("one"), b=rule("two"))
    assert names(read([tmp_path / "b.yaml", tmp_path / "a.yaml"])) == ["two", "one"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("k8s://", "k8s:// is not supported yet"),
        ("mcp://galley:9901", "mcp:// is not supported yet"),
        ("http://x", "http:// is not a known store"),
        ("no/such/folder", "'no/such/folder' can't be read"),
    ],
)
def test_a_store_that_cannot_be_read_ends_the_start(source: str, reason: str) -> None:
    with pytest.raises(StartError) as raised:
        read(source)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_mounted_config_map_is_read_once_and_follows_its_swap(tmp_path: Path) -> None:
    for version, text in (("..2024_1", rule("old")), ("..2024_2", rule("new"))):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..2024_1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert names(read(tmp_path)) == ["old"]
    (tmp_path / "..swap").symlink_to("..2024_2")
    os.replace(tmp_path / "..swap", tmp_path / "..data")
    documents = read(tmp_path)
    assert (names(documents), documents.problems) == (["new"], ())


def test_a_link_back_up_is_no_endless_walk(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to(tmp_path / "sub")
    write(tmp_path / "sub", a=rule("one"))
    assert names(read(tmp_path)) == ["one"]


def test_editors_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, a=rule("one"))
    (tmp_path / ".#a.yaml").symlink_to("somebody@somewhere")
    (tmp_path / ".hidden.yaml").write_text("[")
    documents = read(tmp_path)
    assert (names(documents), documents.problems) == (["one"], ())


def test_a_file_that_is_gone_when_it_is_read_is_a_problem_not_an_end(tmp_path: Path) -> None:
    write(tmp_path, a=rule("one"))
    (tmp_path / "b.yaml").symlink_to("nowhere")
    documents = read(tmp_path)
    assert names(documents) == ["one"]
    assert documents.broken == {str(tmp_path / "b.yaml")}
    assert "can't be read" in documents.problems[0].reason


def test_a_key_declared_twice_counts_where_it_stands_last() -> None:
    documents = parse_text(rule("a", spec="{match: x}") + "---\n" + rule("a", spec="{match: y}"))
    (resource,) = documents.resources
    (problem,) = documents.problems
    assert resource.place.line == 6
    assert "<text>:1:1" in problem.reason
    assert problem.place.line == 6
    assert problem.severity is Severity.WARNING
    assert problem.resource == "rule/ns/a"


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("apiVersion: x\nmetadata: {name: a, namespace: b}\n", "kind", "is required"),
        ("kind: rule\nmetadata: {namespace: b}\n", "metadata.name", "is required"),
        ("kind: rule\nmetadata: {name: a}\n", "metadata.namespace", "is required"),
        ("kind: rule\nmetadata: {name: 5, namespace: b}\n", "metadata.name", "must be a text"),
        ("kind: rule\nmetadata: {name: on, namespace: b}\n", "metadata.name", "boolean"),
        ("kind: rule\nmetadata: x\n", "metadata", "must be a mapping"),
        ("- a\n", "", "a resource must be a mapping, not a list"),
    ],
)
def test_a_document_that_names_no_resource_breaks_its_file(
    text: str, field: str, reason: str
) -> None:
    documents = parse_text(text)
    (problem,) = documents.problems
    assert documents.resources == ()
    assert documents.broken == {"<text>"}
    assert problem.field == field
    assert reason in problem.reason


def test_yaml_that_is_no_resource_at_all_is_only_warned_of() -> None:
    documents = parse_text("values: {a: 1}\n")
    assert documents.broken == frozenset()
    assert [problem.severity for problem in documents.problems] == [Severity.WARNING]


def test_our_api_needs_no_namespace() -> None:
    text = "apiVersion: meshmixer.io/v1\nkind: rule\nmetadata: {name: a}\n"
    (resource,) = parse_text(text, namespace="mesh").resources
    assert str(resource.key) == "rule/mesh/a"


def test_a_word_beside_spec_is_warned_of() -> None:
    (resource,) = parse_text(rule("a") + "specs: {}\n").resources
    (problem,) = resource.problems
    assert (problem.severity, problem.suggestion) == (Severity.WARNING, "did you mean 'spec'?")
    assert problem.resource == "rule/ns/a"


def test_a_broken_file_keeps_its_last_good_resources() -> None:
    before = parse_text(rule("a") + "---\n" + rule("b") + "---\n" + rule("c"))
    after = parse_text(rule("a") + "---\n" + rule("b") + "  - [\n---\n" + rule("c"))
    kept = after.keeping(good(before))  # type: ignore[arg-type]
    assert names(after) == ["a", "c"]
    assert names(kept) == ["a", "b", "c"]
    assert kept.problems == after.problems


def test_a_removed_resource_of_a_whole_file_stays_removed() -> None:
    before, after = parse_text(rule("a") + "---\n" + rule("b")), parse_text(rule("a"))
    assert names(after.keeping(good(before))) == ["a"]  # type: ignore[arg-type]


def test_a_failed_resource_falls_back_to_its_last_good_version() -> None:
    before = parse_text(rule("a", spec="{match: x}") + "---\n" + rule("b", spec="{match: x}"))
    after = parse_text(rule("a", spec="{match: y}") + "---\n" + rule("b", spec="{match: y}"))
    kept = after.keeping(good(before), {"rule/ns/b", "rule/ns/c"})  # type: ignore[arg-type]
    assert [resource.spec.entries["match"].value for resource in kept.resources] == ["y", "x"]  # type: ignore[union-attr]


def test_an_unreadable_folder_keeps_what_was_below_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", a=rule("a"))
    before = read(tmp_path)
    after = Documents((), (), frozenset({str(tmp_path / "sub")}))
    assert names(after.keeping(good(before))) == ["a"]  # type: ignore[arg-type]
