"""How one resource names another."""

from __future__ import annotations

import pytest

from mixer.config.model import Key
from mixer.config.references import Names, Register, candidates
from mixer.errors import Place


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("a", ["a.handler.ns"]),
        ("a.b", ["a.b.ns", "a.handler.b"]),
        ("a.b.c", ["a.b.c"]),
        ("a.b.c.d", ["a.b.c.d"]),
    ],
)
def test_a_reference_is_tried_in_the_order_of_its_form(reference: str, expected: list[str]) -> None:
    assert list(candidates(reference, "handler", "ns")) == expected


@pytest.fixture
def register() -> Register[str]:
    made: Register[str] = Register("handler")
    made.add(Key("handler", "ns", "a"), "own")
    made.add(Key("handler", "other", "a"), "other")
    made.add(Key("denier", "ns", "a"), "legacy")
    made.add(Key("handler", "ns", "bad"), None)
    made.add(Key("handler", "far", "away"), "far")
    return made


@pytest.mark.parametrize(
    ("reference", "namespace", "expected"),
    [
        ("a", "ns", "own"),
        ("a", "other", "other"),
        ("a.other", "ns", "other"),
        ("a.denier", "ns", "legacy"),
        ("a.denier.ns", "other", "legacy"),
        ("a.handler.ns", "other", "own"),
        ("a", "third", None),
        ("away", "ns", None),
        ("bad", "ns", None),
        ("", "ns", None),
    ],
)
def test_a_reference_finds_what_its_namespace_lets_it(
    register: Register[str], reference: str, namespace: str, expected: str | None
) -> None:
    assert register.find(reference, namespace) == expected


@pytest.mark.parametrize(
    ("reference", "reason", "suggestion"),
    [
        ("away", "handler 'away' not found in 'ns'", "did you mean 'away.far'?"),
        ("bda", "handler 'bda' not found in 'ns'", "did you mean 'bad'?"),
        ("bad", "handler 'bad' has errors", "see the problems of handler/ns/bad"),
    ],
)
def test_a_failed_reference_says_what_would_work(
    register: Register[str], reference: str, reason: str, suggestion: str
) -> None:
    assert register.why_not(reference, "ns") == (reason, suggestion)


def test_a_name_without_owner_gets_a_number_when_taken() -> None:
    names = Names({Key("handler", "ns", "a"): Place("f", 1)})
    found = [names.free("handler", "ns", "a", Place("f", line)).name for line in (2, 3)]
    assert found == ["a-2", "a-3"]
    assert names.claim(Key("handler", "ns", "a"), Place("f", 9)) == Place("f", 1)
    assert names.claim(Key("handler", "ns", "b"), Place("f", 9)) is None
