"""
Values whose type is known only at the call: which overload they take, and what type they have.

Law: a choice made here gives what the same choice made by the checker would have given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from attributes import Duration, Timestamp
from mixer.expr.overload import Overload
from mixer.expr.types import (
    BOOL,
    BYTES,
    DNS,
    DOUBLE,
    DURATION,
    DYN,
    EMAIL,
    INT,
    IP,
    NETWORK,
    NULL,
    STRING,
    TEXTS,
    TIMESTAMP,
    TYPE,
    UINT,
    URI,
    A,
    B,
    Type,
)
from mixer.expr.values import (
    CLASSES,
    Address,
    DnsName,
    Email,
    Optional,
    TypeValue,
    Uint,
    Url,
    from_key,
    type_name,
)

PYTHON: dict[Type, type] = {
    STRING: str,
    INT: int,
    UINT: Uint,
    DOUBLE: float,
    BOOL: bool,
    BYTES: bytes,
    NULL: type(None),
    TYPE: TypeValue,
    TIMESTAMP: Timestamp,
    DURATION: Duration,
    IP: Address,
    URI: Url,
    DNS: DnsName,
    EMAIL: Email,
}
"""The class of the self-telling values of each type without parameters."""

_TYPES = {made: type_ for type_, made in PYTHON.items()}
_TAGGED: dict[Type, Callable[[Any], Any]] = {IP: Address, URI: Url, DNS: DnsName, EMAIL: Email}
_CONTAINERS = {"list": tuple, "map": dict, "optional": Optional}
_NETWORKS = tuple(made for made, name in CLASSES.items() if name == "net.CIDR")


def is_tagged(type_: Type) -> bool:
    """Whether values of *type_* must be told apart before their type may be forgotten."""
    return type_ in _TAGGED or any(map(is_tagged, type_.params))


def tagged(value: Any, type_: Type) -> Any:
    """*value*, which has the static *type_*, so that it tells its type itself."""
    if not is_tagged(type_):
        return value
    if tag := _TAGGED.get(type_):
        return tag(value)
    match value:
        case tuple():
            return tuple([tagged(item, type_.params[0]) for item in value])
        case dict():
            key_type, value_type = type_.params
            return {tagged(key, key_type): tagged(item, value_type) for key, item in value.items()}
        case Optional(present=True):
            return Optional(tagged(value.value, type_.params[0]))
        case _:
            return value


def is_a(value: Any, type_: Type) -> bool:
    """Whether a self-telling *value* has *type_*; type variables and DYN take every value."""
    if type_ in (DYN, A, B):
        return True
    if type_ is NETWORK:
        return isinstance(value, _NETWORKS)
    if container := _CONTAINERS.get(type_.name):
        if value.__class__ is not container:
            return False
        match value:
            case tuple():
                item = type_.params[0]
                return item in (DYN, A, B) or all(is_a(one, item) for one in value)
            case dict():
                key, item = type_.params
                return all(is_a(from_key(one), key) for one in value) and all(
                    is_a(one, item) for one in value.values()
                )
            case Optional():
                return not value.present or is_a(value.value, type_.params[0])
    return value.__class__ is PYTHON.get(type_) or (type_ == TYPE and isinstance(value, TypeValue))


def narrow(type_: Type) -> Overload:
    """The function that gives its argument back if it has *type_*."""

    def narrowed(value: Any) -> Any:
        if is_a(value, type_):
            return value
        raise ValueError(f"expected {type_}, got a value of type {type_name(value)}")

    return Overload("as", (DYN,), type_, "narrowed({0})", {"narrowed": narrowed}, fails=True)


def failing(message: str) -> Overload:
    """The function that has no value, as *message* says."""

    def fail() -> Any:
        raise ValueError(message)

    return Overload("fail", (), DYN, "fail()", {"fail": fail}, fails=True)


@cache
def dyn(type_: Type) -> Overload:
    """The function that forgets the static type of its argument."""
    if not is_tagged(type_):
        return Overload("dyn", (type_,), DYN, "{0}")
    helpers = {"tagged": tagged, "type_": type_}
    return Overload("dyn", (type_,), DYN, "tagged({0}, type_)", helpers)


def dispatch(name: str, overloads: Sequence[Overload], count: int) -> Overload:
    """The function of *count* arguments that takes the first of *overloads* which they fit."""
    known: dict[tuple[type, ...], Callable[..., Any]] = {}

    def dispatched(*args: Any) -> Any:
        classes = tuple([argument.__class__ for argument in args])
        chosen = known.get(classes)
        if chosen is None:
            chosen = _telling(_chosen(name, overloads, args))
            if not {tuple, dict, Optional} & set(classes):
                known[classes] = chosen
        return chosen(*args)

    holes = ", ".join(f"{{{at}}}" for at in range(count))
    return Overload(
        name,
        (DYN,) * count,
        DYN,
        f"dispatched({holes})",
        {"dispatched": dispatched},
        fails=True,
        heavy=any(overload.heavy for overload in overloads),
    )


def _telling(overload: Overload) -> Callable[..., Any]:
    """The function of *overload*, whose result tells its type."""
    python, result = overload.python, overload.result
    if not is_tagged(result):
        return python
    return lambda *args: tagged(python(*args), result)


def _chosen(name: str, overloads: Sequence[Overload], args: tuple[Any, ...]) -> Overload:
    for overload in overloads:
        if all(_takes(overload, at, value) for at, value in enumerate(args)):
            return overload
    shown = ", ".join(map(type_name, args))
    raise ValueError(f"no such overload: {name.strip('_@')}({shown})")


def _takes(overload: Overload, at: int, value: Any) -> bool:
    given = _TYPES.get(value.__class__)
    return (given is not None and reads_text(overload, at, given)) or is_a(
        value, overload.params[at]
    )


def keys(entries: dict[Any, Any]) -> tuple[Any, ...]:
    """The keys of a map as a list."""
    return tuple([from_key(key) for key in entries])


def reads_text(overload: Overload, at: int, given: Type) -> bool:
    """Whether what looks at a text is asked of a URI, a name or an address, which are texts too."""
    looks = overload.method or overload.function in _TEXT_FUNCTIONS
    return at == 0 and looks and overload.params[0] == STRING and given in TEXTS


_TEXT_FUNCTIONS = frozenset(["match", "matches", "reverse", "size", "strings.quote", "toLower"])


def pairs(value: Any) -> tuple[tuple[Any, Any], ...]:
    """A list as pairs of place and item, a map as pairs of key and value."""
    if value.__class__ is tuple:
        return tuple(enumerate(value))
    if value.__class__ is dict:
        return tuple([(from_key(key), item) for key, item in value.items()])
    raise ValueError(f"a {type_name(value)} is neither a list nor a map")


def items(value: Any) -> tuple[Any, ...]:
    """What a macro with one variable goes through: the items of a list, the keys of a map."""
    if value.__class__ is tuple:
        return tuple(value)
    if value.__class__ is dict:
        return keys(value)
    raise ValueError(f"a {type_name(value)} is neither a list nor a map")
