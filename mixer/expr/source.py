"""Generated source to functions whose lines tracebacks show."""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

_serial = count(1)


def compiled(
    source: str, wanted: str, names: dict[str, Any], kind: str, about: str = ""
) -> Callable[..., Any]:
    """
    The function called *wanted* in *source*, which finds other things by *names*.

    Tracebacks say what *kind* of code it is and what it is *about*; its lines are kept for them as
    long as the function is.
    """
    name = f"<{kind} {next(_serial)}: {about}>"
    exec(compile(source, name, "exec"), names)
    function: Callable[..., Any] = names[wanted]
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    weakref.finalize(function, linecache.cache.pop, name, None)
    return function
