"""Words of a text and a cursor over them: what both front ends read from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mixer.errors import ExpressionError
from mixer.expr.syntax import MAX_DEPTH, MAX_LENGTH, too_deep

END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text; its kind is the name of the group of the lexer that found it."""

    kind: str
    text: str
    offset: int

    def says(self, text: str) -> bool:
        """Whether this is the operator or bracket *text*."""
        return self.kind == "op" and self.text == text

    @property
    def shown(self) -> str:
        """The word as error messages show it."""
        return "the end" if self.kind == END else repr(self.text)


class Cursor:
    """A place in the words of one text."""

    def __init__(self, text: str, lexer: re.Pattern[str]) -> None:
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"longer than {MAX_LENGTH} characters; split the expression")
        self._tokens = _tokens(text, lexer)
        self._at = 0
        self._depth = 0

    def peek(self) -> Token:
        """The next word, which stays."""
        return self._tokens[self._at]

    def next(self) -> Token:
        """The next word, which is taken."""
        token = self._tokens[self._at]
        if token.kind != END:
            self._at += 1
        return token

    def takes(self, text: str) -> bool:
        """Take the next word if it is the operator *text*."""
        found = self._tokens[self._at].says(text)
        self._at += found
        return found

    def expect(self, text: str) -> Token:
        """Take the operator *text*; raise ExpressionError where something else comes."""
        token = self.next()
        if token.says(text):
            return token
        raise ExpressionError(f"expected {text!r} instead of {token.shown}", token.offset)

    def descend(self) -> None:
        """One level down; raise ExpressionError below MAX_DEPTH."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep(self.peek().offset)

    def ascend(self) -> None:
        """One level up."""
        self._depth -= 1


def _tokens(text: str, lexer: re.Pattern[str]) -> list[Token]:
    found, offset = [], 0
    while offset < len(text):
        match = lexer.match(text, offset)
        if match is None or match.lastgroup is None:
            raise ExpressionError(_stray(text, offset), offset)
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match[0], offset))
        offset = match.end()
    found.append(Token(END, "", len(text)))
    return found


def _stray(text: str, offset: int) -> str:
    if text[offset] in "\"'`":
        return f"the text that begins with {text[offset]} has no end"
    return f"unexpected character {text[offset]!r}"


def nothing(token: Token) -> ExpressionError:
    """The error for a word where a value must come."""
    if token.kind == END:
        return ExpressionError("the expression ends where a value is expected", token.offset)
    return ExpressionError(f"unexpected {token.text!r}", token.offset)


def integer(token: Token, digits: str, base: int, least: int, most: int) -> int:
    """The number that *digits* spell; raise ExpressionError where it is out of bounds."""
    value = int(digits, base) if len(digits) < 40 else None
    if value is None or not least <= value <= most:
        raise ExpressionError(f"{token.text} does not fit 64 bits", token.offset)
    return value
