"""The languages of expressions, as far as the checker must tell them apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mixer.expr import macros
from mixer.expr.overloads import CEL_TABLE, CEXL_TABLE, Table
from mixer.expr.values import CLASSES


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where the languages differ (spec: expressions, differences from CEXL)."""

    functions: Table
    is_cel: bool
    """An absent attribute reads as the zero value of its type and a missing map key is a failure;
    ``&&`` and ``||`` absorb a failing side; ``map.key`` means ``map["key"]``; macros are known.
    Otherwise an absent attribute is a failure and a missing key reads as ""."""

    falls_back: bool = True
    """``a | b`` is known."""

    picks_plain_names: bool = False
    """An attribute of one segment is never absent for ``|``: it reads as its zero value."""


CEXL = Dialect(CEXL_TABLE, is_cel=False)
CEL = Dialect(CEL_TABLE, is_cel=True)
STRICT = replace(CEL, falls_back=False)
COMPAT = replace(CEL, picks_plain_names=True)
SPECIAL = ("conditional", "dyn", "emptyStringMap", "has", "pick", *macros.NAMES)
TYPE_NAMES = frozenset(CLASSES.values())
NAMESPACES = frozenset(name.rpartition(".")[0] for name in CEL_TABLE if "." in name)
