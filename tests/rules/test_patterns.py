"""What is known from one Report to the next, and that it can't grow without end."""

from __future__ import annotations

from mixer.rules.folding import LONGEST_KEY, MAX_PATTERNS, Pattern, Patterns

PATTERN = Pattern(1, 0, (), (), (), ())


def test_the_oldest_is_forgotten_where_there_are_too_many() -> None:
    patterns = Patterns()
    for number in range(MAX_PATTERNS + 1):
        patterns.keep(("key", number), PATTERN)
    assert patterns.get(("key", 0)) is None
    assert patterns.get(("key", 1)) is PATTERN
    assert patterns.get(("key", MAX_PATTERNS)) is PATTERN


def test_what_a_caller_can_make_long_is_not_kept() -> None:
    patterns = Patterns()
    patterns.keep("x" * (LONGEST_KEY + 1), PATTERN)
    assert patterns.get("x" * (LONGEST_KEY + 1)) is None
    patterns.keep(None, PATTERN)
    assert patterns.get(None) is None
