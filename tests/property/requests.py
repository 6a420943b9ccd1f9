"""Random requests as bytes: what callers send, and what nobody in his right mind would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st

from attributes import ValueType
from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS
from attributes.values import NANOS
from mixer._pb import mixer_pb2 as pb
from tests.property.expressions import VOCABULARY

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
Bag: TypeAlias = dict[str, Any]

WORDS = ["x", "a", "b", "ax", "", "1", "200", "GET", "none", 'ä\n"', "shop", "bank"]
INDICES = [0, 1, 30, -1, -2, -3, -9, len(GLOBAL_WORDS) - 1, len(GLOBAL_WORDS), 500, -(2**31)]
NUMBERS = [1, 0, 2, 200, 7, 3, 30, 5, 100, -1, 2**53 + 1, 2**63 - 1, -(2**63)]
DOUBLES = [
    0.5,
    0.0,
    -0.0,
    0.1,
    2.5,
    7.0,
    1e-9,
    3.25,
    -1.0,
    1e16,
    1e300,
    float("inf"),
    float("-inf"),
    float("nan"),
]
MAPS = {
    ValueType.STRING: "strings",
    ValueType.INT64: "int64s",
    ValueType.DOUBLE: "doubles",
    ValueType.BOOL: "bools",
    ValueType.TIMESTAMP: "timestamps",
    ValueType.DURATION: "durations",
    ValueType.IP_ADDRESS: "bytes",
    ValueType.STRING_MAP: "string_maps",
}
_texts = st.sampled_from(WORDS)
_parts = st.tuples(
    st.sampled_from([0, 1, 2, 3, 1_700_000_000, 2**40, -1]),
    st.sampled_from([0, 1, NANOS // 2, 5000, -1]),
)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "strings": _texts,
    "int64s": st.sampled_from(NUMBERS),
    "doubles": st.sampled_from(DOUBLES),
    "bools": st.booleans(),
    "timestamps": _parts,
    "durations": _parts,
    "bytes": st.sampled_from([b"", b"\n\0\0\1", b"\0" * 10 + b"\xff\xff\n\0\0\1", b"abc"]),
    "string_maps": st.dictionaries(st.sampled_from(["a", "b", "x-request-id", ":path"]), _texts),
}
"""By type map."""

_SPACES = ["shop", "bank", "istio-system", "x"]
_KINDS = {
    "context.reporter.kind": ["inbound", "inbound", "outbound", "x"],
    "source.namespace": _SPACES,
    "destination.namespace": _SPACES,
}


def _value(name: str) -> st.SearchStrategy[Any]:
    if name in _KINDS:
        return st.sampled_from(_KINDS[name])
    return VALUES[MAPS[VOCABULARY[name]]]


_whole = st.fixed_dictionaries({name: _value(name) for name in VOCABULARY})


@st.composite
def bags(draw: Draw) -> Bag:
    """The values of most attributes, by name."""
    missing = draw(st.sets(st.sampled_from(sorted(VOCABULARY)), max_size=5))
    return {name: value for name, value in draw(_whole).items() if name not in missing}


MEASURED = ["request.size", "response.code", "own.double", "response.duration"]


@dataclass(frozen=True)
class Odd:
    """Something sent beside what makes sense."""

    map: str
    """The type map it goes into."""

    name: str | int
    """A word, or an index that may be nobody's."""

    value: Any


_odd = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.builds(
        Odd,
        st.just(name),
        st.sampled_from(sorted(VOCABULARY)) | st.sampled_from(INDICES),
        (VALUES[name] | st.sampled_from(INDICES)) if name == "strings" else VALUES[name],
    )
)
oddities: st.SearchStrategy[list[Odd]] = st.lists(_odd, max_size=2) | st.just([])


class Table:
    """Gives words indices: known ones those of the global dictionary, unless *own* has them."""

    def __init__(self, own: list[str], known: int) -> None:
        self.words = list(own)
        self._known = known

    def index(self, word: str | int) -> int:
        """The index to send for *word*; a number is one already."""
        if isinstance(word, int):
            return word
        if word in self.words:
            return -1 - (len(self.words) - 1 - self.words[::-1].index(word))
        if GLOBAL_INDEX.get(word, self._known) < self._known:
            return GLOBAL_INDEX[word]
        self.words.append(word)
        return -len(self.words)


own_words: st.SearchStrategy[list[str]] = st.sampled_from(range(4)).flatmap(
    lambda roll: (
        st.just([])
        if roll < 3
        else st.lists(st.sampled_from([*WORDS, *VOCABULARY, "inbound"]), max_size=6)
    )
)
word_counts = st.sampled_from([*[len(GLOBAL_WORDS)] * 8, 0, 50, 150])


def sent(bag: Bag, odd: list[Odd], table: Table) -> pb.CompressedAttributes:
    """A message of *bag*, with what is *odd*."""
    made = pb.CompressedAttributes()
    usual = [Odd(MAPS[VOCABULARY[name]], name, value) for name, value in bag.items()]
    for one in usual + odd:
        _set(made, one, table)
    return made


def _set(made: pb.CompressedAttributes, one: Odd, table: Table) -> None:
    index, values = table.index(one.name), getattr(made, one.map)
    match one.map:
        case "strings":
            values[index] = table.index(one.value)
        case "timestamps" | "durations":
            values[index].seconds, values[index].nanos = one.value
        case "string_maps":
            values[index].SetInParent()
            for key, value in one.value.items():
                values[index].entries[table.index(key)] = table.index(value)
        case _:
            values[index] = one.value


@st.composite
def checks(draw: Draw, common: Bag | None = None) -> bytes:
    """CheckRequests; with a *common* bag of it, but for a few attributes."""
    known = draw(word_counts)
    request = pb.CheckRequest(global_word_count=known)
    request.deduplication_id = draw(st.sampled_from(["", "", "d1"]))
    table = Table(draw(own_words), known)
    bag = draw(bags()) if common is None else draw(like(common))
    request.attributes.CopyFrom(sent(bag, draw(oddities), table))
    request.attributes.words.extend(table.words)
    for name in draw(st.sets(st.sampled_from(["calls", "CALLS", "books", "unknown"]), max_size=2)):
        request.quotas[name].amount = draw(st.sampled_from([1, 3, 0, -1, 2**63 - 1, -(2**63)]))
        request.quotas[name].best_effort = draw(st.booleans())
    return request.SerializeToString()


@st.composite
def like(draw: Draw, common: Bag) -> Bag:
    """The *common* bag with a few changes."""
    changes = {
        name: draw(st.none() | _value(name))
        for name in draw(st.sets(st.sampled_from(sorted(VOCABULARY)), max_size=2))
    }
    return {name: value for name, value in (common | changes).items() if value is not None}


@st.composite
def reports(draw: Draw, most: int = 8) -> bytes:
    """ReportRequests: up to so many bags that have much in common, some that do not."""
    known = draw(word_counts)
    independent = draw(st.booleans())
    request = pb.ReportRequest(global_word_count=known)
    if independent:
        request.repeated_attributes_semantics = pb.ReportRequest.INDEPENDENT_ENCODING
    shared = Table(draw(own_words), known)
    common = draw(bags())
    varying = draw(st.sets(st.sampled_from(MEASURED), max_size=2))
    measured = st.fixed_dictionaries({}, optional={name: _value(name) for name in varying})
    strange = draw(oddities) if draw(st.integers(0, 3)) == 3 else []
    mixed = draw(st.integers(0, 3)) == 3
    for _ in range(draw(st.integers(1, most))):
        bag = common if independent or not request.attributes else {}
        bag = bag | draw(measured)
        if draw(st.integers(0, 9)) == 9:
            bag = draw(like(bag))
        own = mixed and draw(st.integers(0, 3)) == 3
        table = Table(draw(own_words), known) if own else shared
        odd = strange if draw(st.integers(0, 3)) == 3 else []
        message = sent(bag, odd, table)
        if table is not shared:
            message.words.extend(table.words)
        request.attributes.append(message)
    request.default_words.extend(shared.words)
    return request.SerializeToString()


@st.composite
def calls(draw: Draw) -> list[tuple[str, bytes]]:
    """Names of methods of the service and what they are called with."""
    common = draw(bags())
    made = st.tuples(st.just("check"), checks(common)) | st.tuples(st.just("report"), reports(6))
    found: list[tuple[str, bytes]] = draw(st.lists(made, min_size=1, max_size=4))
    return found
