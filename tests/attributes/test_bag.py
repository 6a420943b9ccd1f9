"""The bag: what is read is recorded, what is generated is not."""

from __future__ import annotations

from pathlib import Path

from attributes import Bag, Reference, ValueType, Vocabulary
from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS

SHARED = Path(__file__).parents[2].parent / "shared"


def test_reads_are_recorded() -> None:
    bag = Bag({"a": "x", "m": {"k": "v"}})
    assert bag.get("a") == "x"
    assert bag.get("b") is None
    entries = bag.map("m")
    assert isinstance(entries, dict)
    assert bag.key("m", entries, "k") == "v"
    assert bag.key("m", entries, "no") is None
    assert bag.map("n") is None
    assert bag.references == {
        ("a", None): Reference.EXACT,
        ("b", None): Reference.ABSENCE,
        ("m", "k"): Reference.EXACT,
        ("m", "no"): Reference.ABSENCE,
        ("n", None): Reference.ABSENCE,
    }


def test_a_whole_map_is_recorded_by_its_name() -> None:
    bag = Bag({"m": {"k": "v"}})
    bag.get("m")
    assert bag.references == {("m", None): Reference.EXACT}


def test_generated_attributes_never_replace_and_leave_no_trace() -> None:
    bag = Bag({"a": "sent"})
    bag.generate({"a": "made", "b": "made", "m": {"k": "v"}})
    bag.generate({"b": "made later"})
    assert (bag.get("b"), bag.peek("a")) == ("made", "sent")
    assert bag.map("m") == {"k": "v"}
    assert bag.key("m", {"k": "v"}, "k") == "v"
    assert bag.references == {}


def test_an_overlay_shares_references_and_does_not_replace() -> None:
    bag = Bag({"a": "x"})
    bag.generate({"b": "generated"})
    over = bag.overlaid({"b": "output", "c": "output"})
    assert (over.get("b"), over.get("c"), over.get("a")) == ("generated", "output", "x")
    assert bag.references == {("a", None): Reference.EXACT}
    assert bag.peek("c") is None


def test_aside_leaves_the_references_alone() -> None:
    bag = Bag({"a": "x"})
    assert bag.aside().get("a") == "x"
    assert bag.references == {}


def test_the_dictionary_is_the_one_callers_know() -> None:
    words = (SHARED / "spec" / "global-dictionary.txt").read_text().rstrip("\n").split("\n")
    assert list(GLOBAL_WORDS) == words
    assert len(GLOBAL_INDEX) == 222


def test_a_vocabulary_keeps_its_types_when_extended() -> None:
    vocabulary = Vocabulary.of(a_b=ValueType.STRING)
    more = vocabulary.extended({"a.b": ValueType.BOOL, "c": ValueType.INT64})
    assert more["a.b"].type is ValueType.STRING
    assert more["c"].type is ValueType.INT64
    assert "c" not in vocabulary
