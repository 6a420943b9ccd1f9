"""
All errors of the mixer, one tree:

    MixerError
    ├── ExpressionError      a text that is no valid expression; carries the offset in it
    ├── EvaluationError      an expression or instance that has no value for this call
    ├── RpcError             an answer that is a gRPC status instead of a message
    └── StartError           the process can't start; one line for the operator
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any


class Code(IntEnum):
    """gRPC status codes (google.rpc.Code)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Severity(Enum):
    """How bad a configuration problem is."""

    ERROR = "error"
    """The resource is not served as written."""

    WARNING = "warning"
    """It is served, but probably not what was meant."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a configuration file; line and column count from 1, 0 means unknown."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file or '<unknown>'}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=False)
class Problem:
    """One thing wrong in the configuration: what, where, why, and what to do."""

    reason: str
    place: Place = Place()
    resource: str = ""
    """``kind/namespace/name``, empty where no resource can be told."""

    field: str = ""
    """Path in the resource, such as ``spec.actions[0].handler``."""

    suggestion: str = ""
    severity: Severity = Severity.ERROR
    excerpt: str = ""
    """Of an expression: its line, and a line with a caret under the place."""

    def __str__(self) -> str:
        where = " ".join(part for part in (self.resource, self.field) if part)
        line = f"{self.place}: {self.severity.value}: {where + ': ' if where else ''}{self.reason}"
        return f"{line} ({self.suggestion})" if self.suggestion else line

    def as_json(self) -> dict[str, Any]:
        """The problem as one flat JSON object."""
        return {
            "severity": self.severity.value,
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "resource": self.resource,
            "field": self.field,
            "reason": self.reason,
            "suggestion": self.suggestion,
            "excerpt": self.excerpt,
        }


class MixerError(Exception):
    """Root of everything the mixer raises on purpose."""


class ExpressionError(MixerError):
    """A text that is no valid expression of its language or does not fit the vocabulary."""

    def __init__(self, message: str, offset: int = 0, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        """Position in the text, in characters from 0."""
        self.suggestion = suggestion

    def pointing(self, text: str) -> str:
        """The line of *text* where the error is, with a caret under the place."""
        start = text.rfind("\n", 0, self.offset) + 1
        end = text.find("\n", self.offset)
        line = text[start : None if end < 0 else end]
        column = self.offset - start
        if len(line) > MAX_POINTED:
            left = max(0, column - MAX_POINTED // 2)
            line, column = line[left : left + MAX_POINTED], column - left
        return f"  {line.translate(_VISIBLE)}\n  {' ' * column}^"


MAX_POINTED = 100
"""Characters of a line that are shown around an error."""

_VISIBLE = dict.fromkeys(range(32), " ")


class EvaluationError(MixerError):
    """An expression or instance that has no value for this call."""


class RpcError(MixerError):
    """An answer that is a gRPC status instead of a message."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class StartError(MixerError):
    """The process can't start; the message is one line that tells the operator what to do."""
