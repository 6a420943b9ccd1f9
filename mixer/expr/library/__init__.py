"""The functions that CEL hosts add to the standard, one module a library."""

from mixer.expr.library import (
    encoders,
    lists,
    maths,
    network,
    optionals,
    regex,
    sets,
    text,
    times,
    urls,
)
from mixer.expr.overload import Overload

ALL: tuple[Overload, ...] = (
    *text.OVERLOADS,
    *maths.OVERLOADS,
    *sets.OVERLOADS,
    *lists.OVERLOADS,
    *encoders.OVERLOADS,
    *network.OVERLOADS,
    *optionals.OVERLOADS,
    *regex.OVERLOADS,
    *times.OVERLOADS,
    *urls.OVERLOADS,
)
