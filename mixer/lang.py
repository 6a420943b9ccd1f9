"""The languages an expression may be written in."""

from __future__ import annotations

from enum import Enum


class Lang(Enum):
    """The language of an expression."""

    CEXL = "CEXL"
    """Istio's own syntax, the default of ``config.istio.io/v1alpha2``."""

    CEL = "CEL"
    """The default of ``meshmixer.io/v1``."""

    STRICT = "STRICT"
    """CEL without our extension ``a | b``; a resource asks for it by ``strict: true``."""

    COMPAT = "COMPAT"
    """Istio's syntax with the meaning of CEL."""

    @property
    def strict(self) -> Lang:
        """The same without what is not standard; only CEL has such a thing."""
        return Lang.STRICT if self is Lang.CEL else self
