"""
Typed tree to value, step by step: what `generate` compiles, for who wants to watch.

Law: value, failure and references are those of the generated function; a property test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attributes import Bag
from mixer.expr.reads import (
    FAILURES,
    OUT_OF_STEPS,
    ZEROS,
    Failure,
    coerce,
    lookup_failed,
    no_such_key,
    python_type,
)
from mixer.expr.standard import as_key
from mixer.expr.tree import (
    Apply,
    Attribute,
    Bind,
    Binding,
    Conditional,
    Constant,
    Fallback,
    Has,
    Logic,
    Lookup,
    Loop,
    Macro,
    Maybe,
    Tree,
    Variable,
    is_counted,
    may_be_absent,
)
from mixer.expr.values import MAX_STEPS, NONE, Optional, weight

Watch: TypeAlias = Callable[[Tree, Any], None]
"""Sees each part when it has its value, or its `Failure`, from the inside out."""


def evaluate(
    tree: Tree, bag: Bag, bindings: Mapping[str, Any] | None = None, watch: Watch | None = None
) -> Any:
    """The value of *tree* for *bag*, or the `Failure` that says why there is none."""
    try:
        return _Evaluator(bag, bindings or {}, watch or _nobody).value(tree)
    except _FailedError as failed:
        return failed.failure


def _nobody(tree: Tree, value: Any) -> None:
    pass


class _FailedError(Exception):
    """Carries a failure to whoever absorbs it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Evaluator:
    """Evaluates one tree once."""

    def __init__(self, bag: Bag, bindings: Mapping[str, Any], watch: Watch) -> None:
        self._bag = bag
        self._bindings = bindings
        self._watch = watch
        self._variables: dict[str, Any] = {}
        self._steps = MAX_STEPS
        self._scopes = 0

    def value(self, tree: Tree) -> Any:
        try:
            value = self._value(tree)
        except _FailedError as failed:
            self._watch(tree, failed.failure)
            raise
        self._watch(tree, value)
        return value

    def _value(self, tree: Tree) -> Any:
        match tree:
            case Constant():
                return tree.value
            case Attribute():
                return self._attribute(tree)
            case Binding():
                return self._bindings[tree.name]
            case Variable():
                return self._unfailed(self._variables[tree.name])
            case Lookup():
                return self._lookup(tree)
            case Has():
                return self._read(tree.of) is not None
            case Maybe():
                found = self._read(tree.of)
                return NONE if found is None else Optional(found)
            case Fallback():
                return self._fallback(tree, self.value)
            case Conditional():
                return self.value(tree.yes if self.value(tree.condition) else tree.no)
            case Logic():
                return self._absorbing(tree) if tree.absorbs else self._short_circuit(tree)
            case Apply():
                return self._apply(tree)
            case Bind():
                return self._bind(tree)
            case Loop():
                return self._loop(tree)

    # -- reads of the call

    def _attribute(self, tree: Attribute) -> Any:
        found = self._soft(tree)
        if found is not None:
            return found
        if tree.zero:
            return ZEROS[python_type(tree.type)]
        raise _FailedError(lookup_failed(tree.name))

    def _read(self, tree: Attribute | Lookup) -> Any:
        """What is there, or None; a key must have its value."""
        if isinstance(tree, Lookup):
            return self._soft_lookup(tree, self.value)
        return self._soft(tree)

    def _lookup(self, tree: Lookup) -> Any:
        source, entries = self._map(tree.operand)
        key = None
        if entries is None:
            attribute = _last(tree.operand)
            if not attribute.zero:
                raise _FailedError(lookup_failed(attribute.name))
            key, found = self.value(tree.key), None
        else:
            key = self.value(tree.key)
            found = self._key(source, entries, key)
        if found is not None:
            return found
        if tree.lenient:
            return ""
        raise _FailedError(no_such_key(key))

    def _map(self, tree: Tree) -> tuple[str | None, Any]:
        """The attribute that a map is, and the map, which is None where it is absent."""
        match tree:
            case Attribute():
                entries = self._bag.map(tree.name)
                taken = None if entries is None else self._taken(tree, entries)
                self._watch(tree, taken)
                return tree.name, taken
            case Fallback() if may_be_absent(tree.first):
                source, entries = self._map(tree.first)
                return self._map(tree.second) if entries is None else (source, entries)
            case Fallback():
                return self._map(tree.first)
            case _:
                return None, self.value(tree)

    def _taken(self, tree: Attribute, value: Any) -> Any:
        taken = coerce(tree.name, python_type(tree.type), value)
        if taken.__class__ is Failure:
            raise _FailedError(taken)
        return taken

    def _key(self, source: str | None, entries: Mapping[str, str], key: str) -> str | None:
        return entries.get(key) if source is None else self._bag.key(source, entries, key)

    # -- choices

    def _soft(self, tree: Tree) -> Any:
        """The value of what is left of a fallback, or None where it is absent."""
        match tree:
            case Attribute():
                value = self._bag.get(tree.name)
                return None if value is None else self._taken(tree, value)
            case Lookup():
                return self._soft_lookup(tree, self._soft)
            case Fallback():
                return self._fallback(tree, self._soft)
            case _:
                return self.value(tree)

    def _soft_lookup(self, tree: Lookup, key: Callable[[Tree], Any]) -> Any:
        source, entries = self._map(tree.operand)
        if entries is None:
            return None
        wanted = key(tree.key)
        return None if wanted is None else self._key(source, entries, wanted)

    def _fallback(self, tree: Fallback, last: Callable[[Tree], Any]) -> Any:
        if not may_be_absent(tree.first):
            return self.value(tree.first)
        found = self._soft(tree.first)
        self._watch(tree.first, found)
        return last(tree.second) if found is None else found

    def _short_circuit(self, tree: Logic) -> bool:
        return any(self.value(one) is tree.decisive for one in tree.operands) is tree.decisive

    def _absorbing(self, tree: Logic) -> Any:
        held: Any = not tree.decisive
        for operand in tree.operands:
            found = self._absorbed(operand)
            if found is tree.decisive:
                return tree.decisive
            held = held if isinstance(held, Failure) else found
        return self._unfailed(held)

    def _absorbed(self, tree: Tree) -> Any:
        try:
            return self.value(tree)
        except _FailedError as failed:
            return failed.failure

    def _unfailed(self, found: Any) -> Any:
        if isinstance(found, Failure):
            raise _FailedError(found)
        return found

    # -- functions and loops

    def _apply(self, tree: Apply) -> Any:
        args = [self.value(argument) for argument in tree.args]
        counted = is_counted(tree, self._scopes > 0)
        if counted:
            self._count(weight(*args))
        try:
            found = tree.overload.call(*args)
        except FAILURES as error:
            raise _FailedError(Failure(str(error))) from None
        if counted and not _is_ready(tree):
            self._count(weight(found))
        return found

    def _count(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise _FailedError(Failure(OUT_OF_STEPS))

    def _bind(self, tree: Bind) -> Any:
        self._variables[tree.variable.name] = self._absorbed(tree.value)
        self._scopes += 1
        try:
            return self.value(tree.body)
        finally:
            self._scopes -= 1

    def _loop(self, tree: Loop) -> Any:
        items = self.value(tree.range)
        self._scopes += 1
        try:
            match tree.macro:
                case Macro.ALL | Macro.EXISTS:
                    return self._quantified(tree, items)
                case Macro.ONE:
                    return sum(self._taking(tree, items)) == 1
                case Macro.LIST:
                    assert tree.result is not None
                    return tuple([self.value(tree.result) for _ in self._taking(tree, items)])
                case Macro.MAP:
                    return self._entries(tree, items)
        finally:
            self._scopes -= 1

    def _rounds(self, tree: Loop, items: tuple[Any, ...]) -> Any:
        """Set the variables for one item after another."""
        names = [variable.name for variable in tree.variables]
        for item in items:
            self._count(1)
            values = (item,) if len(names) == 1 else item
            self._variables.update(zip(names, values, strict=True))
            yield

    def _taking(self, tree: Loop, items: tuple[Any, ...]) -> Any:
        """The rounds whose condition holds."""
        for _ in self._rounds(tree, items):
            if tree.condition is None or self.value(tree.condition):
                yield True

    def _quantified(self, tree: Loop, items: tuple[Any, ...]) -> Any:
        decisive = tree.macro is Macro.EXISTS
        held: Any = not decisive
        assert tree.condition is not None
        try:
            for _ in self._rounds(tree, items):
                found = self._absorbed(tree.condition)
                if found is decisive:
                    return decisive
                if isinstance(found, Failure):
                    held = found
        except _FailedError as failed:  # no steps are left
            held = failed.failure
        return self._unfailed(held)

    def _entries(self, tree: Loop, items: tuple[Any, ...]) -> dict[Any, Any]:
        assert tree.key is not None
        assert tree.result is not None
        found: dict[Any, Any] = {}
        for _ in self._taking(tree, items):
            value = self.value(tree.result)
            try:
                found[as_key(self.value(tree.key))] = value
            except FAILURES as error:
                raise _FailedError(Failure(str(error))) from None
        return found


def _is_ready(tree: Apply) -> bool:
    """Whether the generated code of *tree* is the short one, whose result is not counted."""
    at = tree.overload.prepared
    return (
        at is not None and bool(tree.overload.constant_code) and isinstance(tree.args[at], Constant)
    )


def _last(tree: Tree) -> Attribute:
    """The attribute whose absence makes a map absent."""
    while isinstance(tree, Fallback):
        tree = tree.second
    assert isinstance(tree, Attribute)
    return tree
