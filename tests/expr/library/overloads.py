"""Finding an overload by its name and the types of its arguments."""

from __future__ import annotations

from typing import Any

from mixer.expr.library import ALL
from mixer.expr.overload import Overload
from mixer.expr.types import Type


def overload(name: str, *params: Type) -> Overload:
    """The one overload of *name* for just these types."""
    (found,) = [one for one in ALL if one.function == name and one.params == params]
    return found


def outcome(name: str, params: tuple[Type, ...], *args: Any) -> Any:
    """The value of a call, or the text of its error after "error: "."""
    try:
        return overload(name, *params).call(*args)
    except (ValueError, OverflowError) as error:
        return f"error: {error}"
