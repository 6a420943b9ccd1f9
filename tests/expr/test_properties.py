"""Laws of every expression: one meaning, however it is evaluated, and a bound on what it takes."""

from __future__ import annotations

import gc
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attributes import Attribute, Bag, Timestamp, ValueType, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr.compile import program
from mixer.expr.dynamic import tagged
from mixer.expr.explain import explain, shown
from mixer.expr.overload import Overload
from mixer.expr.reads import OUT_OF_STEPS, Failure
from mixer.expr.types import VALUE_TYPES
from mixer.expr.values import MAX_SIZE
from mixer.lang import Lang
from tests.conformance import expressions
from tests.expr import test_convert as istio

ATTRIBUTES = Vocabulary(
    {
        name: Attribute(name, VALUE_TYPES[type_])
        for name, type_ in expressions.VARIABLES.items()
        if type_ in VALUE_TYPES
    }
)
BINDINGS = {name: type_ for name, type_ in expressions.VARIABLES.items() if name not in ATTRIBUTES}


def outcome(value: Any, type_: Any) -> str:
    return shown(tagged(value, type_) if not isinstance(value, Failure) else value, type_)


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_cel_means_the_same_compiled_step_by_step_and_without_types(random: Random) -> None:
    text = expressions.Expressions(random).make()
    try:
        compiled = program(text, Lang.CEL, ATTRIBUTES, BINDINGS)
    except ExpressionError:
        return
    every = expressions.values(random)
    bindings = {name: every[name] for name in BINDINGS}
    sent = {name: every[name] for name in ATTRIBUTES if random.random() < 0.8}
    ran, walked = Bag(sent), Bag(sent)
    found = outcome(compiled.run(ran, bindings), compiled.type)
    assert outcome(compiled.walk(walked, bindings), compiled.type) == found, text
    assert ran.references == walked.references, text
    untyped = program(text, Lang.CEL, ATTRIBUTES, BINDINGS, checked=False)
    again = outcome(untyped.run(Bag(sent), bindings), untyped.type)
    assert again.startswith("error") if found.startswith("error") else again == found, text


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_istio_s_syntax_means_the_same_compiled_and_step_by_step(random: Random) -> None:
    maker = istio.Istio(random)
    text = random.choice([maker.text, maker.truth])(3)
    try:
        compiled = program(text, Lang.CEXL, istio.VOCABULARY)
    except ExpressionError:
        return
    sent = istio.bag(random)
    ran, walked = Bag(sent), Bag(sent)
    found = outcome(compiled.run(ran), compiled.type)
    assert outcome(compiled.walk(walked), compiled.type) == found, text
    assert ran.references == walked.references, text


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_an_explanation_ends_in_the_value_it_explains(random: Random) -> None:
    maker = istio.Istio(random)
    try:
        compiled = program(maker.truth(3), Lang.CEXL, istio.VOCABULARY)
    except ExpressionError:
        return
    bag = istio.bag(random)
    value, parts = explain(compiled, Bag(bag))
    assert shown(value, compiled.type) == shown(compiled.run(Bag(bag)), compiled.type)
    assert parts[0].values[-1:] == (shown(value, compiled.type),)


LARGE = {
    "m": {f"k{at}": "v" * 10 for at in range(2000)},
    "s": "a" * 100_000,
    "a.t": "b" * 100_000,
}


@pytest.mark.parametrize(
    "text",
    [
        "m.all(x, m.all(y, x != y + '!'))",
        "m.exists(x, m.exists(y, m.exists(z, x + y == z)))",
        "m.map(x, m.map(y, m.map(z, x))).size() > 0",
        "m.map(x, s + x).size() > 0 && m.all(x, s.contains(x + 'q') || m.all(y, true))",
        "lists.range(100000).map(x, lists.range(100000)).size() > 0",
        "lists.range(100000).distinct().sort().reverse().distinct().size() > 0",
        "m.filter(x, s.matches('(a|b)*c' + x)).size() == 1",
        "m.transformMap(k, v, m.transformMap(q, w, v + w)).size() > 0",
        "[1].map(a, lists.range(50000)).map(b, b.filter(c, b.exists(d, d == c + 1))).size() > 0",
    ],
)
def test_a_loop_of_loops_ends_with_its_steps(text: str) -> None:
    compiled = program(text, Lang.CEL, ATTRIBUTES, BINDINGS)
    for evaluate in (compiled.run, compiled.walk):
        found = evaluate(Bag(LARGE))
        assert isinstance(found, Failure)
        assert found.message == OUT_OF_STEPS


@pytest.mark.parametrize(
    "text",
    [
        "cel.bind(a, s + s, " * 30 + "a + a" + ")" * 30,
        "s" + ".replace('', s)" * 5,
        "[s, s, s, s]" + ".map(x, x + x + x + x)" * 6,
        "'%s%s%s'.format([s, s, s])" + ".replace('a', s)" * 3,
        "cel.bind(a, [[1, 1], [1, 1]], "
        + "cel.bind(a, [a, a, a], " * 25
        + "dyn(a) == [a]"
        + ")" * 26,
        "lists.range(100000).map(x, 's').join(s)",
        "'%.1000f'.format([1e300]) + strings.quote(s)",
        "base64.encode(bytes(s)).split('').join(s)",
        "regex.replace(s, 'a', a.t)",
    ],
    ids=lambda text: text[:40],
)
def test_no_value_grows_without_bound(text: str) -> None:
    compiled = program(text, Lang.CEL, ATTRIBUTES, BINDINGS)
    for evaluate in (compiled.run, compiled.walk):
        found = evaluate(Bag(LARGE))
        assert isinstance(found, Failure) or not hasattr(found, "__len__") or (
            len(found) <= 2 * MAX_SIZE
        )  # fmt: skip


def test_a_regular_expression_takes_time_in_line_with_its_subject() -> None:
    compiled = program("s.matches('(a+)+(a|aa)*$b')", Lang.CEL, ATTRIBUTES, BINDINGS)
    assert compiled.run(Bag({"s": "a" * 50_000})) is False


@pytest.mark.parametrize("lang", [Lang.CEL, Lang.CEXL, Lang.COMPAT])
@pytest.mark.parametrize(
    "text",
    ["(" * 10_000 + "1" + ")" * 10_000, "[" * 10_000, "{1:" * 10_000, "-" * 10_000 + "1",
     "a" + ".b" * 10_000, "m" + "[s]" * 10_000, "f(" * 10_000, "b ? " * 10_000, "!" * 10_000 + "b",
     "1" + "+1" * 10_000, "a.?b" * 5_000, "s" + ".trim()" * 5_000],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_nesting_is_bounded(text: str, lang: Lang) -> None:
    with pytest.raises(ExpressionError):
        program(text, lang, ATTRIBUTES, BINDINGS)


@pytest.mark.parametrize(("depth", "compiles"), [(10, True), (25, False), (60, False)])
def test_what_is_too_deep_for_python_is_evaluated_step_by_step(depth: int, compiles: bool) -> None:
    text = "b || (b && " * depth + "d / d > 1.0" + ")" * depth
    compiled = program(text, Lang.CEL, ATTRIBUTES, BINDINGS)
    assert compiled.run(Bag({"b": False})) is False
    assert compiled.run(Bag({"b": True})) is True
    assert bool(compiled.source) is compiles


def test_a_constant_regular_expression_and_list_are_made_once() -> None:
    source = program("s.matches('a+') && s in ['x', 'y']", Lang.CEL, ATTRIBUTES, BINDINGS).source
    assert "compile_regex" not in source
    assert "['x'" not in source


def test_timestamps_out_of_range_fail_and_raise_nothing() -> None:
    attribute = Vocabulary({"t.t": Attribute("t.t", ValueType.TIMESTAMP)})
    for text in ("t.t.getFullYear()", "string(t.t)", "t.t + duration('1s')", "t.t - timestamp(0)"):
        program(text, Lang.CEL, attribute).run(Bag({"t.t": Timestamp(2**62 * 5)}))
        program(text, Lang.CEL, attribute).run(Bag({"t.t": Timestamp(-(2**62) * 30)}))


def test_a_reload_leaves_nothing_of_an_expression_behind() -> None:
    def compile_and_drop(number: int) -> None:
        text = f"[s, '{number}'].exists(x, dyn(x) + 'y' == '{number}y') || s.matches('{number}')"
        compiled = program(text, Lang.CEL, ATTRIBUTES, BINDINGS)
        assert compiled.run(Bag({"s": "x"})) is True
        compiled.walk(Bag({"s": "x"}))

    def alive() -> int:
        gc.collect()
        return sum(isinstance(one, Overload) for one in gc.get_objects())

    compile_and_drop(0)
    before = alive()
    for number in range(1, 50):
        compile_and_drop(number)
    assert alive() == before
