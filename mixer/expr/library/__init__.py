"""The functions that CEL hosts add to the standard, one module a library."""

from mixer.expr.overload import Overload

ALL: tuple[Overload, ...] = ()
