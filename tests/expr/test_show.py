"""A tree that is shown is read as the same tree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attributes import Duration
from mixer.expr import cel, cexl
from mixer.expr.show import show
from mixer.expr.syntax import OPERATORS, Call, Ident, Index, ListOf, Literal, MapOf, Node, Select

NAMES = st.sampled_from(["a", "b1", "_c", "size"])
BINARY = sorted(OPERATORS - {"!_", "-_", "_?_:_"})


def literals() -> st.SearchStrategy[Node]:
    whole = st.integers(-(2**63), 2**63 - 1)
    plain = st.none() | st.booleans() | whole | st.text() | st.binary() | st.floats(allow_nan=False)
    unsigned = st.integers(0, 2**64 - 1).map(lambda value: Literal(0, value, True))
    return plain.map(lambda value: Literal(0, value)) | unsigned


def larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    rows = st.lists(inner, max_size=3)
    pairs = st.tuples(inner, inner)
    return st.one_of(
        st.builds(lambda op, ab: Call(0, op, ab), st.sampled_from(BINARY), pairs),
        st.builds(lambda op, a: Call(0, op, (a,)), st.sampled_from(["!_", "-_"]), inner),
        st.builds(lambda c, ab: Call(0, "_?_:_", (c, *ab)), inner, pairs),
        st.builds(lambda f, args: Call(0, f, tuple(args)), NAMES, rows),
        st.builds(lambda f, args, of: Call(0, f, tuple(args), of), NAMES, rows, inner),
        st.builds(lambda of, f, maybe: Select(0, of, f, maybe), inner, NAMES, st.booleans()),
        st.builds(lambda of, key, maybe: Index(0, of, key, maybe), inner, inner, st.booleans()),
        st.builds(lambda items: ListOf(0, tuple(items), frozenset([0] if items else [])), rows),
        st.builds(lambda entries: MapOf(0, tuple(entries)), st.lists(pairs, max_size=2)),
    )


TREES = st.recursive(literals() | NAMES.map(lambda name: Ident(0, name)), larger, max_leaves=12)


def placeless(node: Any) -> Any:
    """*node* with all offsets 0."""
    if isinstance(node, tuple):
        return tuple(map(placeless, node))
    if not hasattr(node, "offset"):
        return node
    fields = {name: placeless(getattr(node, name)) for name in node.__slots__}
    return replace(node, **fields | {"offset": 0})


@given(TREES)
def test_what_is_shown_is_read_again(tree: Node) -> None:
    assert placeless(cel.parse(show(tree))) == tree


@pytest.mark.parametrize(
    ("istio", "shown"),
    [
        ('a.b | "x" == "y"', 'a.b | "x" == "y"'),
        ('a.b == ("x" | "y")', 'a.b == "x" | "y"'),
        ('a && (b || c)', "a && (b || c)"),
        ('("a" + "b") + "c"', '"a" + "b" + "c"'),
        ('m["k"] | "5s"', 'm["k"] | duration("5s")'),
        ("`raw\\n`", '"raw\\\\n"'),
        ('(m["k"]).startsWith("x")', 'm["k"].startsWith("x")'),
    ],
)  # fmt: skip
def test_istio_syntax_is_shown_as_cel(istio: str, shown: str) -> None:
    assert show(cexl.parse(istio)) == shown


def test_a_duration_has_its_text() -> None:
    assert show(Literal(0, Duration.parse("90s"))) == 'duration("1m30s")'
