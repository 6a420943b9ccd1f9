"""Whatever the text, an expression is a value, a failure or a typed error."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attributes import Attribute, Bag, ValueType, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr.compile import expression
from mixer.lang import Lang

VOCABULARY = Vocabulary(
    {name: Attribute(name, type_) for name, type_ in (
        ("a.s", ValueType.STRING), ("a.m", ValueType.STRING_MAP), ("a.b", ValueType.BOOL),
        ("a.i", ValueType.INT64), ("a.u", ValueType.DURATION), ("a.ip", ValueType.IP_ADDRESS),
    )}
)  # fmt: skip
WORDS = st.sampled_from(
    'a.s a.m a.b a.i a.u "x" "5s" `r` \'c\' 1 2.5 true ( ) [ ] , . | || && == != < <= + - * / ! '
    '? : in has size match ip startsWith matches conditional "k" "*" \\ " \' 0x { } 1u b"x" null '
    'all( exists( map( filter( x x, .? [? optional.of( orValue( cel.bind( math.abs( type( dyn( '
    'int( string( timestamp( duration( format( split( join( sort() first() sortBy( a.ip'
    .split()
)  # fmt: skip


@pytest.mark.parametrize("lang", list(Lang))
@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=15).map(" ".join)))
@example("(" * 300)
@example("a.s" + " | a.s" * 300)
@example("a.b" + " && a.b" * 3000)
@example("a.b" + " || (a.b && a.b" * 60 + ")" * 60)
@example("conditional(a.b, 1, " * 60 + "2" + ")" * 60)
@example("!" * 500 + "a.b")
@example('"\\777"')
@example("9" * 5000)
def test_any_text_compiles_or_is_refused(lang: Lang, text: str) -> None:
    try:
        program = expression(text, lang, VOCABULARY)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)
        assert error.message
    else:
        for bag in ({"a.s": "x", "a.b": True, "a.m": {"k": "x"}, "a.ip": b"\0" * 4}, {}):
            found, walked = program.run(Bag(bag)), program.walk(Bag(bag))
            assert type(found) is type(walked)
