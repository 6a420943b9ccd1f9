"""Cost as a number of Python's own instructions: the same on every machine, however busy."""

from __future__ import annotations

import gc
import sys
from collections.abc import Coroutine
from types import FrameType
from typing import Any


def count(running: Coroutine[Any, Any, object]) -> int:
    """
    How many instructions of Python a coroutine takes that ends without waiting.

    What C does is not counted: a figure to compare two ways to the same end, not to add up.
    """
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        seen += event == "opcode"
        return trace

    before = sys.gettrace()
    gc.collect()
    gc.disable()  # what others have left would be finished here, by instructions of theirs
    sys.settrace(trace)
    try:
        running.send(None)
    except StopIteration:
        return seen
    finally:
        sys.settrace(before)
        gc.enable()
    raise RuntimeError("the coroutine waits for something")
