"""How generated code reads the call, and what it does where something is absent."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping

from mixer.expr.reads import ZEROS, lookup_failed, no_such_key, python_type
from mixer.expr.tree import (
    Attribute,
    Constant,
    Fallback,
    Has,
    Lookup,
    Maybe,
    Tree,
    may_be_absent,
)
from mixer.expr.values import NONE, Optional
from mixer.expr.writer import Writer


class ReadWriter(Writer):
    """Writes reads; each sets a bit of ``seen`` for what was read, and whether it was there."""

    def __init__(self, notes: bool = True) -> None:
        """Without *notes* nobody asks what was read."""
        super().__init__()
        self.notes = notes
        self.reads: dict[tuple[str, str | None], int] = {}
        """The places of the bits of each attribute and map key."""

    @abstractmethod
    def value(self, tree: Tree) -> str:
        """Write *tree* and return the atom that then holds its value."""

    def _attribute(self, tree: Attribute) -> str:
        held, wanted = self._load(tree.name), python_type(tree.type)
        if tree.zero:
            found = self._temporary()
            self._line(
                f"{found} = {held} if {held} is not None else {self.constant(ZEROS[wanted])}"
            )
            held = found
        with self._block(f"if {held}.__class__ is not {self._type(wanted)}:"):
            if not tree.zero:
                with self._block(f"if {held} is None:"):
                    self._fail(self.constant(lookup_failed(tree.name)))
            self._coerce(tree.name, wanted, held)
        return held

    def _load(self, name: str) -> str:
        """Read an attribute, once where it is read often; the atom is None where it is absent."""
        held = self._known(name)
        if held is None:
            held = self._read(name)
            self._see(name, None, held)
            self._keep(name, held)
        return held

    def _load_map(self, name: str) -> str:
        """Read a map to look up keys of it; only its absence is seen."""
        held = self._known((name, dict))
        if held is None:
            held = self._read(name)
            if self.notes:
                self._line(f"if {held} is None: seen |= {self._bit(name, None, found=False)}")
            self._keep((name, dict), held)
        return held

    def _load_key(self, name: str, entries: str, key: str) -> str:
        """Look up a key in a map that is there."""
        held = self._known((name, key))
        if held is None:
            held = self._temporary()
            self._line(f"{held} = {entries}.get({key!r})")
            self._see(name, key, held)
            self._keep((name, key), held)
        return held

    def _read(self, name: str) -> str:
        held = self._temporary()
        self._line(f"{held} = read({name!r})")
        return held

    def _see(self, name: str, key: str | None, held: str) -> None:
        if self.notes:
            found, absent = self._bit(name, key, found=True), self._bit(name, key, found=False)
            self._line(f"seen |= {found} if {held} is not None else {absent}")

    def _bit(self, name: str, key: str | None, found: bool) -> int:
        at = self.reads.setdefault((name, key), len(self.reads))
        return 1 << 2 * at + (not found)

    def _coerce(self, name: str, wanted: type, held: str) -> None:
        found = self._temporary()
        self._line(f"{found} = coerce({name!r}, {self._type(wanted)}, {held})")
        self._fail_if(found)
        self._line(f"{held} = {found}")

    def _lookup(self, tree: Lookup) -> str:
        if isinstance(tree.operand, Attribute) and isinstance(tree.key, Constant):
            return self._static_lookup(tree, tree.operand, tree.key.value)
        source, entries = self._soft_map(tree.operand)
        attribute = _last(tree.operand)
        if attribute is not None:
            with self._block(f"if {entries} is None:"):
                if attribute.zero:
                    self._line(f"{entries} = {self.constant({})}")
                    self._line(f"{source} = None  # the map's absence is the reference")
                else:
                    self._fail(self.constant(lookup_failed(attribute.name)))
        key = self.value(tree.key)
        held = self._key(source, entries, key)
        with self._block(f"if {held} is None:"):
            self._key_is_missing(tree, held, key)
        return held

    def _static_lookup(self, tree: Lookup, operand: Attribute, key: str) -> str:
        entries = self._load_map(operand.name)
        with self._block(f"if {entries}.__class__ is not dict:"):
            with self._block(f"if {entries} is None:"):
                missing = no_such_key(key) if operand.zero else lookup_failed(operand.name)
                self._fail(self.constant(missing))
            self._coerce(operand.name, dict, entries)
        held = self._load_key(operand.name, entries, key)
        if tree.lenient:
            found = self._temporary()
            self._line(f"{found} = {held} if {held} is not None else ''")
            return found
        with self._block(f"if {held} is None:"):
            self._key_is_missing(tree, held, repr(key))
        return held

    def _key_is_missing(self, tree: Lookup, held: str, key: str) -> None:
        if tree.lenient:
            self._line(f"{held} = ''")
        else:
            self.names["no_such_key"] = no_such_key
            self._fail(f"no_such_key({key})")

    def _soft_map(self, tree: Tree) -> tuple[str, str]:
        """
        Write a map to look a key up in: the atoms of its attribute's name and of the map.

        A map that is absent is None; one that is no attribute of the call has None for a name.
        """
        source, entries = self._temporary(), self._temporary()
        match tree:
            case Attribute():
                self._line(f"{source} = {tree.name!r}")
                self._line(f"{entries} = {self._map(tree)}")
            case Fallback() if may_be_absent(tree.first):
                self._line(f"{source}, {entries} = {', '.join(self._soft_map(tree.first))}")
                with self._block(f"if {entries} is None:"):
                    self._line(f"{source}, {entries} = {', '.join(self._soft_map(tree.second))}")
            case Fallback():
                return self._soft_map(tree.first)
            case _:
                self._line(f"{source} = None")
                self._line(f"{entries} = {self.value(tree)}")
        return source, entries

    def _map(self, tree: Attribute) -> str:
        """A map to look a key up in; its atom is None where it is absent."""
        held = self._known((tree.name, Mapping))
        if held is None:
            held = self._load_map(tree.name)
            with self._block(f"if {held}.__class__ is not dict and {held} is not None:"):
                self._coerce(tree.name, dict, held)
            self._keep((tree.name, Mapping), held)
        return held

    def _key(self, source: str, entries: str, key: str) -> str:
        held = self._temporary()
        self._line(
            f"{held} = {entries}.get({key}) if {source} is None "
            f"else bag.key({source}, {entries}, {key})"
        )
        return held

    def _has(self, tree: Has) -> str:
        if isinstance(tree.of, Attribute):
            of = self._load(tree.of.name)
        else:
            of = self._soft_lookup(tree.of, self.value, soft_key=False)
        held = self._temporary()
        self._line(f"{held} = {of} is not None")
        return held

    def _maybe(self, tree: Maybe) -> str:
        if isinstance(tree.of, Attribute):
            of = self._soft(tree.of)
        else:
            of = self._soft_lookup(tree.of, self.value, soft_key=False)
        held = self._temporary()
        self.names |= {"Optional": Optional, "NONE": NONE}
        self._line(f"{held} = NONE if {of} is None else Optional({of})")
        return held

    def _soft(self, tree: Tree) -> str:
        """Write *tree* left of a fallback: its atom is None where it is absent."""
        match tree:
            case Attribute():
                held, wanted = self._load(tree.name), python_type(tree.type)
                test = f"{held}.__class__ is not {self._type(wanted)} and {held} is not None"
                with self._block(f"if {test}:"):
                    self._coerce(tree.name, wanted, held)
                return held
            case Lookup():
                return self._soft_lookup(tree, self._soft, soft_key=may_be_absent(tree.key))
            case Fallback():
                return self._fallback(tree, self._soft)
            case _:
                return self.value(tree)

    def _soft_lookup(self, tree: Lookup, key: Callable[[Tree], str], soft_key: bool) -> str:
        """The value of a key or None; with a *soft_key* an absent key is None as well."""
        held = self._temporary()
        self._line(f"{held} = None")
        if isinstance(tree.operand, Attribute) and isinstance(tree.key, Constant):
            entries = self._map(tree.operand)
            with self._block(f"if {entries} is not None:"):
                self._line(f"{held} = {self._load_key(tree.operand.name, entries, tree.key.value)}")
            return held
        source, entries = self._soft_map(tree.operand)
        with self._block(f"if {entries} is not None:"):
            wanted = key(tree.key)
            if not soft_key:
                self._assign(held, self._key(source, entries, wanted))
                return held
            asked = self._temporary()
            self._assign(asked, wanted)
            with self._block(f"if {asked} is not None:"):
                self._assign(held, self._key(source, entries, asked))
        return held

    def _fallback(self, tree: Fallback, last: Callable[[Tree], str]) -> str:
        if not may_be_absent(tree.first):
            return self.value(tree.first)
        held = self._soft(tree.first)
        if not isinstance(tree.first, Lookup):  # others may be the atoms of what is read
            atom, held = held, self._temporary()
            self._assign(held, atom)
        with self._block(f"if {held} is None:"):
            self._assign(held, last(tree.second))
        return held


def _last(tree: Tree) -> Attribute | None:
    """The attribute whose absence makes a map absent."""
    while isinstance(tree, Fallback) and may_be_absent(tree.first):
        tree = tree.second
    return tree if isinstance(tree, Attribute) else None
