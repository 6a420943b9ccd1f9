"""How generated code reads the call, and what it does where something is absent."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

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

    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[tuple[str, str | None], int] = {}
        """The places of the bits of each attribute and map key."""

    @abstractmethod
    def value(self, tree: Tree) -> str:
        """Write *tree* and return the atom that then holds its value."""

    def _attribute(self, tree: Attribute) -> str:
        held, wanted = self._read(tree.name), python_type(tree.type)
        with self._block(f"if {held}.__class__ is {self._type(wanted)}:"):
            self._see(tree.name, found=True)
        with self._block(f"elif {held} is None:"):
            self._see(tree.name, found=False)
            if tree.zero:
                self._line(f"{held} = {self.constant(ZEROS[wanted])}")
            else:
                self._fail(self.constant(lookup_failed(tree.name)))
        with self._block("else:"):
            self._see(tree.name, found=True)
            self._coerce(tree.name, wanted, held)
        return held

    def _read(self, name: str) -> str:
        held = self._temporary()
        self._line(f"{held} = read({name!r})")
        return held

    def _see(self, name: str, found: bool, key: str | None = None) -> None:
        at = self.reads.setdefault((name, key), len(self.reads))
        self._line(f"seen |= {1 << 2 * at + (not found)}")

    def _coerce(self, name: str, wanted: type, held: str) -> None:
        self._line(f"{held} = coerce({name!r}, {self._type(wanted)}, {held})")
        self._fail_if(held)

    def _lookup(self, tree: Lookup) -> str:
        if isinstance(tree.operand, Attribute) and isinstance(tree.key, Constant):
            entries = self._read_map(tree.operand, absent=self._map_is_missing, lookup=tree)
            return self._static_key(tree.operand.name, entries, tree)
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

    def _read_map(
        self, tree: Attribute, absent: Callable[[Attribute, Lookup], None], lookup: Lookup
    ) -> str:
        entries = self._read(tree.name)
        with self._block(f"if {entries}.__class__ is not dict:"):
            with self._block(f"if {entries} is None:"):
                self._see(tree.name, found=False)
                absent(tree, lookup)
            self._coerce(tree.name, dict, entries)
        return entries

    def _map_is_missing(self, tree: Attribute, lookup: Lookup) -> None:
        assert isinstance(lookup.key, Constant)
        failure = no_such_key(lookup.key.value) if tree.zero else lookup_failed(tree.name)
        self._fail(self.constant(failure))

    def _static_key(self, name: str, entries: str, tree: Lookup) -> str:
        assert isinstance(tree.key, Constant)
        held, key = self._temporary(), tree.key.value
        self._line(f"{held} = {entries}.get({key!r})")
        with self._block(f"if {held} is None:"):
            self._see(name, found=False, key=key)
            self._key_is_missing(tree, held, repr(key))
        with self._block("else:"):
            self._see(name, found=True, key=key)
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
                self._line(f"{entries} = read({source})")
                with self._block(f"if {entries} is None:"):
                    self._see(tree.name, found=False)
                with self._block(f"elif {entries}.__class__ is not dict:"):
                    self._coerce(tree.name, dict, entries)
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

    def _key(self, source: str, entries: str, key: str) -> str:
        held = self._temporary()
        self._line(
            f"{held} = {entries}.get({key}) if {source} is None "
            f"else bag.key({source}, {entries}, {key})"
        )
        return held

    def _has(self, tree: Has) -> str:
        if isinstance(tree.of, Attribute):
            held = self._present(tree.of)
        else:
            held = self._soft_lookup(tree.of, self.value, soft_key=False)
        self._line(f"{held} = {held} is not None")
        return held

    def _maybe(self, tree: Maybe) -> str:
        if isinstance(tree.of, Attribute):
            held = self._soft(tree.of)
        else:
            held = self._soft_lookup(tree.of, self.value, soft_key=False)
        self.names |= {"Optional": Optional, "NONE": NONE}
        self._line(f"{held} = NONE if {held} is None else Optional({held})")
        return held

    def _present(self, tree: Attribute) -> str:
        held = self._read(tree.name)
        with self._block(f"if {held} is None:"):
            self._see(tree.name, found=False)
        with self._block("else:"):
            self._see(tree.name, found=True)
        return held

    def _soft(self, tree: Tree) -> str:
        """Write *tree* left of a fallback: its atom is None where it is absent."""
        match tree:
            case Attribute():
                held, wanted = self._present(tree), python_type(tree.type)
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
        source, entries = self._soft_map(tree.operand)
        with self._block(f"if {entries} is not None:"):
            wanted = key(tree.key)
            if soft_key:
                asked = self._temporary()
                self._assign(asked, wanted)
                wanted = asked
                self._line(f"if {wanted} is not None:")
                self._indent += 1
            self._assign(held, self._key(source, entries, wanted))
            self._indent -= soft_key
        return held

    def _fallback(self, tree: Fallback, last: Callable[[Tree], str]) -> str:
        if not may_be_absent(tree.first):
            return self.value(tree.first)
        held = self._temporary()
        self._assign(held, self._soft(tree.first))
        with self._block(f"if {held} is None:"):
            self._assign(held, last(tree.second))
        return held


def _last(tree: Tree) -> Attribute | None:
    """The attribute whose absence makes a map absent."""
    while isinstance(tree, Fallback) and may_be_absent(tree.first):
        tree = tree.second
    return tree if isinstance(tree, Attribute) else None
