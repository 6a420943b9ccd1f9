"""YAML text to node trees."""

from __future__ import annotations

from typing import Any

import pytest

from mixer.config import parse
from mixer.config.nodes import ListNode, MapNode, Node, Scalar, locate
from mixer.config.parse import documents


def plain(node: Node) -> Any:
    match node:
        case Scalar():
            return node.value
        case ListNode():
            return [plain(item) for item in node.items]
        case MapNode():
            return {key: plain(value) for key, value in node.entries.items()}


def root(text: str) -> Node:
    (document,) = documents(text.encode(), "f.yaml")
    assert document.root is not None, document.problems
    return document.root


def value(text: str) -> Scalar:
    node = root(f"k: {text}\n")
    assert isinstance(node, MapNode)
    scalar = node.entries["k"]
    assert isinstance(scalar, Scalar)
    return scalar


def only_problem(text: str | bytes) -> Any:
    data = text if isinstance(text, bytes) else text.encode()
    (problem,) = [one for document in documents(data, "f.yaml") for one in document.problems]
    return problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", "abc"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1.2.3", "1.2.3"),
        ("2019-01-01", "2019-01-01"),
        ("1s", "1s"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("|\n  a\n  b", "a\nb\n"),
        (">-\n  a\n  b", "a b"),
    ],
)
def test_a_scalar_has_the_value_yaml_1_2_gives_it(text: str, expected: Any) -> None:
    found = value(text).value
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text", ["yes", "No", "ON", "off", "y", "N", "012", "089", "12:30:45", "1_000", "-07"]
)
def test_a_scalar_that_yaml_1_1_reads_otherwise_is_a_doubtful_text(text: str) -> None:
    scalar = value(text)
    assert scalar.doubtful
    assert value(f"'{text}'").doubtful is False


@pytest.mark.parametrize("text", ["yesterday", "0", "0.5", "1:60", "_1", "00:zz", "one_two"])
def test_a_scalar_that_all_read_alike_is_not_doubtful(text: str) -> None:
    assert not value(text).doubtful


def test_a_doubtful_key_is_kept_as_text_with_a_warning() -> None:
    (document,) = documents(b"on: 1\n", "f.yaml")
    assert plain(document.root) == {"on": 1}  # type: ignore[arg-type]
    (problem,) = document.problems
    assert problem.severity.value == "warning"
    assert (problem.place.line, problem.place.column) == (1, 1)


def test_every_node_and_key_knows_its_place() -> None:
    text = "# first\na:\n  b:\n  - 'x'\n  - c: y\n---\nd: z\n"
    first, second = (document.root for document in documents(text.encode(), "f.yaml"))
    assert isinstance(first, MapNode)
    assert isinstance(second, MapNode)
    assert str(first.keys["a"].place) == "f.yaml:2:1"
    assert str(locate(first, "a.b[0]")) == "f.yaml:4:6"
    assert str(locate(first, "a.b[1].c")) == "f.yaml:5:8"
    assert str(second.entries["d"].place) == "f.yaml:7:4"


@pytest.mark.parametrize(
    ("text", "line", "column", "inline"),
    [
        ("abc", 1, 4, True),
        ("'abc'", 1, 5, True),
        ('"abc"', 1, 5, True),
        ("'it''s'", 1, 5, False),
        (r'"a\tb"', 1, 5, False),
        ("a\n  b", 1, 4, False),
        ("|\n   a == b", 2, 4, True),
        ("|\n   a\n   b", 2, 4, False),
        (">-\n\n  a", 3, 3, False),
    ],
    ids=["plain", "single", "double", "doubled-quote", "escape", "folded", "block", "long", "gap"],
)
def test_an_offset_in_a_text_is_a_column_if_it_is_inline(
    text: str, line: int, column: int, inline: bool
) -> None:
    scalar = value(text)
    assert (scalar.line, scalar.column, scalar.inline) == (line, column, inline)


def test_a_syntax_error_leaves_the_other_documents_whole() -> None:
    read = documents(b"a: 1\n---\nb: [\n---\nc: 3\n", "f.yaml")
    assert [document.root and plain(document.root) for document in read] == [
        {"a": 1},
        None,
        {"c": 3},
    ]
    assert read[1].problems[0].place.line in (3, 4)


@pytest.mark.parametrize(
    ("text", "line", "reason", "suggestion"),
    [
        ("a: b: c\n", 1, "mapping values are not allowed", "quotes"),
        ('v: "a" | b\n', 1, "did not find expected", "quoted as a whole"),
        ("a:\n\tb: 1\n", 2, "cannot start any token", "spaces, not tabs"),
        ("a: *x\n", 1, "'*x' has no anchor", "own document"),
        ("a: &x [*x]\n", 1, "'*x' has no anchor", ""),
        ("a: !thing 1\n", 1, "tag '!thing'", "remove"),
        ("? [a]\n: 1\n", 1, "a key must be a text, not a list", ""),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' stands twice in one mapping, first at f.yaml:1:1", "remove"),
        ("<<: 3\n", 1, "merges mappings", ""),
        (b"a: \xff\n", 1, "byte 0xff is not UTF-8", "UTF-8"),
        (b"a: 1\nb: \x07\n", 2, "U+0007", "remove"),
        ("[" * 70 + "]" * 70, 1, "nested more than 64", "flatten"),
    ],
    ids=[
        "colon", "quote", "tab", "alias", "self-alias", "tag", "complex-key", "duplicate",
        "merge", "encoding", "control", "depth",
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_what_to_do(
    text: str | bytes, line: int, reason: str, suggestion: str
) -> None:
    problem = only_problem(text)
    assert problem.place.line == line
    assert reason in problem.reason
    assert suggestion in problem.suggestion


def test_aliases_and_merge_keys_expand() -> None:
    text = "base: &b {x: 1, y: 2}\nall:\n- *b\n- {<<: *b, y: 3}\n"
    assert plain(root(text)) == {
        "base": {"x": 1, "y": 2},
        "all": [{"x": 1, "y": 2}, {"y": 3, "x": 1}],
    }


def test_a_bomb_of_aliases_is_refused() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "aliases expanded" in only_problem("\n".join(rows)).reason


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_BYTES", 10)
    assert "at most 10 are read" in only_problem("a: 0123456789\n").reason


@pytest.mark.parametrize(
    "text",
    ["", "\n", "# nothing\n", "---\n", "---\n---\n# c\n", "%YAML 1.2\n---\n", "null\n", "\ufeff"],
)
def test_a_document_without_content_is_none(text: str) -> None:
    assert documents(text.encode(), "f.yaml") == []


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_do_not_matter(newline: str) -> None:
    read = documents(newline.join(["a: 1", "---", "b: 2", ""]).encode(), "f.yaml")
    assert [str(document.root.place) for document in read if document.root] == [
        "f.yaml:1:1",
        "f.yaml:3:1",
    ]


def test_dashes_in_a_block_do_not_cut_it() -> None:
    assert plain(root("a: |\n  x\n  ---\n  y\n")) == {"a": "x\n---\ny\n"}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("quotas[1].max_amount", "f.yaml:3:15"),
        ("quotas[1].maxAmount", "f.yaml:3:15"),
        ("quotas[7].name", "f.yaml:2:1"),
        ("metrics.a.b.c.kind", "f.yaml:5:17"),
        ('metrics["a.b.c"].kind', "f.yaml:5:17"),
        ("nothing", "f.yaml:1:1"),
        ("", "f.yaml:1:1"),
    ],
)
def test_a_path_leads_to_the_deepest_node_that_was_written(path: str, place: str) -> None:
    text = "quotas:\n- {name: a}\n- {maxAmount: 3}\nmetrics:\n  a.b.c: {kind: COUNTER}\n"
    assert str(locate(root(text), path)) == place


def test_hostile_text_never_raises() -> None:
    for data in (b"\x00", b"\xef\xbb\xbf", b"- " * 5000, b"{" * 5000, b"a: " + b"9" * 10_000, b"%"):
        documents(data, "f.yaml")
