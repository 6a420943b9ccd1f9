"""
Text of instances, field by field, for handlers that do nothing with them but write it.

In the bags of a group most fields are those of the first bag; of the others most are attributes as
they were sent, whose text was shown for another bag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from attributes import Bag, Source, ValueType
from mixer.adapter.line import Field, Show
from mixer.expr.tree import Attribute, Constant, Fallback, Lookup, Tree, walk
from mixer.expr.types import VALUE_TYPES
from mixer.instances.compile import Entries, Leaf, Part
from mixer.rules.routes import Call

Text: TypeAlias = Callable[[Source], str | None]
"""The text for a bag like the first of its group; None where its instance has to be made."""

Gaps: TypeAlias = Sequence[str]
"""What stands before, between and behind the fields that differ from bag to bag."""

Begin: TypeAlias = Callable[[Gaps], Text]
"""Begins with what is the same for a group."""


Read: TypeAlias = str | tuple[str, str]
"""An attribute, or of a map an entry by its key."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A field that is the first there is of some attributes or entries of one type."""

    reads: tuple[Read, ...]
    type: ValueType
    default: str | None
    """The text where there is none of them; with None there is no instance then."""

    show: Show


@dataclass(frozen=True, slots=True)
class Worked:
    """A field that is worked out for each bag."""

    run: Callable[[Bag], Any]
    show: Show


Piece: TypeAlias = str | Field | Sent | Worked
"""A `Field` is the same for all bags of a group."""


def pieces(
    call: Call, known: Collection[str], entries: Mapping[str, Collection[str]]
) -> tuple[Piece, ...] | None:
    """
    The line of *call*, where its handler has one.

    Bags of a group have all attributes in *known* in common, but of a map in *entries* only those.
    """
    if call.line is None:
        return None
    leaves = dict(_leaves(call.builder.parts, ""))
    found: list[Piece] = []
    for piece in call.line.pieces:
        if isinstance(piece, str):
            found.append(piece)
            continue
        leaf = leaves.get(piece.path)
        if leaf is None or _is_common(leaf.program.tree, known, entries):
            found.append(piece)
        else:
            found.append(_sent(leaf, piece.show) or Worked(leaf.program.run, piece.show))
    return tuple(found)


def _leaves(part: Part, path: str) -> Iterator[tuple[str, Leaf]]:
    if isinstance(part, Leaf):
        yield path, part
        return
    items = part.items if isinstance(part, Entries) else part.fields
    for name, inner in items:
        yield from _leaves(inner, f"{path}.{name}" if path else name)


def _is_common(tree: Tree, known: Collection[str], entries: Mapping[str, Collection[str]]) -> bool:
    """Whether all bags of a group have all that *tree* reads in common."""
    keys = keys_read([tree])
    for name in {part.name for part in walk(tree) if isinstance(part, Attribute)}:
        if name not in known:
            return False
        if name in entries and not (name in keys and set(keys[name]) <= set(entries[name])):
            return False
    return True


def keys_read(trees: Sequence[Tree]) -> dict[str, tuple[str, ...]]:
    """The keys of maps of which *trees* read nothing but entries of keys that they name."""
    keys: dict[str, set[str]] = {}
    whole: Counter[str] = Counter()
    for tree in trees:
        for part in walk(tree):
            match part:
                case Attribute(name=name):
                    whole[name] += 1
                case Lookup(operand=Attribute(name=name), key=Constant(value=str() as key)):
                    whole[name] -= 1
                    keys.setdefault(name, set()).add(key)
    return {name: tuple(sorted(found)) for name, found in keys.items() if not whole[name]}


def _sent(leaf: Leaf, show: Show) -> Sent | None:
    type_, default = leaf.program.value_type, None
    reads: list[Read] = []
    *_, last = alternatives = tuple(_alternatives(leaf.program.tree))
    for tree in alternatives:
        match tree:
            case Attribute(name=name) if VALUE_TYPES[tree.type] == type_:
                reads.append(name)
            case Lookup(operand=Attribute(name=name), key=Constant(value=str() as key)):
                reads.append((name, key))
            case Constant(value=default) if tree is last:
                continue
            case _:
                return None
        if getattr(tree, "zero", False):
            return None
    if type_ == ValueType.STRING_MAP:
        return None
    try:
        return Sent(tuple(reads), type_, None if default is None else show(default), show)
    except Exception:
        return None  # what is wrong, the report of such an instance will say


def _alternatives(tree: Tree) -> Iterator[Tree]:
    if isinstance(tree, Fallback):
        yield from _alternatives(tree.first)
        yield from _alternatives(tree.second)
    else:
        yield tree
