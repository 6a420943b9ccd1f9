"""How an adapter declares its params: a frozen struct whose field docstrings are the reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Config", "FieldProblem", "Meta", "NonNegative", "Positive"]

Positive = Annotated[int, Meta(gt=0)]
NonNegative = Annotated[int, Meta(ge=0)]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """
    Base of every adapter's params, and of the messages nested in them.

    A field is named in snake_case; YAML may also write it in lowerCamelCase. It has one of these
    types: str, int, float, bool, `Duration` (YAML: ``1.5s``), an IntEnum (YAML: name or number),
    another Config, ``tuple[T, ...]``, ``dict[str, T]``, ``T | None``, or
    ``Annotated[T, Meta(...)]`` with bounds. A docstring follows each field: it is
    what the reference prints.
    """


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field of an adapter's params."""

    field: str
    """Path below params in snake_case, such as ``quotas[0].max_amount``; empty for the whole."""

    reason: str
    suggestion: str = ""


def missing(package: str, extra: str, adapter: str) -> Iterator[FieldProblem]:
    """Tell of a *package* that *adapter* needs, if it is not installed, and the *extra* with it."""
    if find_spec(package) is None:
        reason = f"{adapter} needs the package {package}"
        yield FieldProblem("", reason, f"pip install 'meshmixer[{extra}]'")
