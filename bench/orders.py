"""Requests that say the same in other words: as from clients whose maps have no order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence
from random import Random

from mixer._pb import mixer_pb2 as pb


def reordered(rpc: str, message: bytes, count: int) -> Iterator[bytes]:
    """
    So many requests like *message*, whose own words each have other indices.

    What a server could remember of indices from one call to the next does not help it with them.
    """
    chance = Random(1)
    for _ in range(count):
        if rpc == "Check":
            check = pb.CheckRequest.FromString(message)
            _renumber(check.attributes, _shuffle(check.attributes.words, chance))
            yield check.SerializeToString()
        else:
            report = pb.ReportRequest.FromString(message)
            moved = _shuffle(report.default_words, chance)
            for bag in report.attributes:
                _renumber(bag, moved)
            yield report.SerializeToString()


def _shuffle(words: MutableSequence[str], chance: Random) -> dict[int, int]:
    """Put *words* into another order; the new index of each."""
    order = list(range(len(words)))
    chance.shuffle(order)
    words[:] = [words[old] for old in order]
    return {-1 - old: -1 - new for new, old in enumerate(order)}


def _renumber(bag: pb.CompressedAttributes, moved: Mapping[int, int]) -> None:
    for name in ("strings", "int64s", "doubles", "bools", "bytes"):
        found: MutableMapping[int, object] = getattr(bag, name)
        values = {moved.get(at, at): value for at, value in found.items()}
        found.clear()
        found.update(values)
    for at, value in bag.strings.items():
        bag.strings[at] = moved.get(value, value)
    for name in ("timestamps", "durations", "string_maps"):
        messages = getattr(bag, name)
        copies = {
            moved.get(at, at): type(sent).FromString(sent.SerializeToString())
            for at, sent in messages.items()
        }
        messages.clear()
        for at, sent in copies.items():
            messages[at].CopyFrom(sent)
    for texts in bag.string_maps.values():
        entries = {moved.get(key, key): moved.get(at, at) for key, at in texts.entries.items()}
        texts.entries.clear()
        texts.entries.update(entries)
