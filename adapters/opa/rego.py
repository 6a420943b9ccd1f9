"""
Policies in Rego, evaluated in this process by rego-cpp.

Law: an output of the library is made text at once, and then dropped: it reads memory that the next
query of its interpreter frees.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

METHOD = re.compile(r"data(\.[A-Za-z_][A-Za-z0-9_]*)+")
_FAULT = re.compile(r"\(error \d+:([^|]*)\|(\d+)\|\d+\s*\(errormsg \d+:([^)]*)\)")
_HELD = "held"


class BadPolicy(Exception):
    """Policies that can't be used, or a query that failed; the message says why."""


class Policies:
    """
    Compiled policies and the rule that is asked for.

    Used from several threads at a time; each has an interpreter to itself, as one can do only one
    thing.
    """

    def __init__(self, modules: Sequence[str], method: str, at_once: int = 1) -> None:
        """Compile; blocks. Raises `BadPolicy`."""
        self._idle: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        for _ in range(at_once):
            self._idle.put(_compiled(modules, method))

    def decide(self, document: dict[str, Any]) -> bool:
        """What the rule is for an input; blocks. Raises `BadPolicy` where it is no boolean."""
        interpreter, bundle = self._idle.get()
        try:
            interpreter.set_input(document)
            said = _text(interpreter.query_bundle(bundle))
        finally:
            self._idle.put((interpreter, bundle))
        if said is None:
            raise BadPolicy("the evaluation failed")
        if said == "undefined":
            raise BadPolicy("the rule is undefined")
        found = json.loads(said).get("bindings", {}).get(_HELD)
        if not isinstance(found, bool):
            raise BadPolicy(f"the rule is no boolean but {json.dumps(found)[:100]}")
        return found


def _compiled(modules: Sequence[str], method: str) -> tuple[Any, Any]:
    import regopy

    interpreter = regopy.Interpreter()
    interpreter.log_level = regopy.LogLevel.NONE  # it would print faults to stderr
    for number, text in enumerate(modules):
        name = f"policy[{number}]"
        try:
            interpreter.add_module(name, text)
        except regopy.RegoError as error:
            raise BadPolicy(_where(str(error), name, text)) from None
    try:
        # A query that is false counts as undefined, so the value is asked for by a name.
        return interpreter, interpreter.build(f"{_HELD} = {method}")
    except regopy.RegoError as error:
        raise BadPolicy(f"{method} can't be compiled: {_where(str(error), '', '')}") from None


def _text(output: Any) -> str | None:
    """What an *output* shows; None where it is an error, which is no JSON."""
    try:
        said = str(output)
    except ValueError:
        return None
    return None if said.startswith("<") else said


def _where(said: str, name: str, text: str) -> str:
    """The first fault that the library tells of, with its line."""
    fault = _FAULT.search(said)
    if fault is None:
        return " ".join(said.split())[:200]
    _, offset, reason = fault.groups()
    before = text.encode()[: int(offset)]
    line = before.count(b"\n") + 1
    return f"line {line}: {reason}" if name else reason
