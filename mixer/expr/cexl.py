"""
Istio's own expression syntax: the subset of Go's expressions that the original accepts.

Law: any text gives a tree or an ExpressionError with an offset, in bounded time and depth.
"""

from __future__ import annotations

import re

from attributes import Duration
from mixer.errors import ExpressionError
from mixer.expr.syntax import (
    ADD,
    AND,
    EQ,
    FALLBACK,
    GE,
    GT,
    LE,
    LT,
    NE,
    OR,
    Call,
    Ident,
    Index,
    Literal,
    Node,
    Select,
    bounded,
)
from mixer.expr.tokens import Cursor, Token, integer, nothing

_BINARY = {
    "||": (1, OR),
    "&&": (2, AND),
    "==": (3, EQ),
    "!=": (3, NE),
    "<": (3, LT),
    "<=": (3, LE),
    ">": (3, GT),
    ">=": (3, GE),
    "+": (4, ADD),
    "|": (4, FALLBACK),
}
"""Precedence, higher binds tighter, and name of each operator; all are left-associative."""

_HINTS = {
    "!": "use x == false",
    "-": "there are no negative numbers and no subtraction",
    "=": "use == to compare",
    "&": "use && for and",
}
_KEYWORDS = frozenset(
    [
        "break",
        "case",
        "chan",
        "const",
        "continue",
        "default",
        "defer",
        "else",
        "fallthrough",
        "for",
        "func",
        "go",
        "goto",
        "if",
        "import",
        "interface",
        "map",
        "package",
        "range",
        "return",
        "select",
        "struct",
        "switch",
        "type",
        "var",
    ]
)
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<float>\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
    | (?P<int>0[xXbBoO][0-9a-fA-F_]*|\d[\d_]*)
    | (?P<name>[^\W\d]\w*)
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<raw>`[^`]*`)
    | (?P<char>'(?:[^'\\\n]|\\.)+')
    | (?P<op>\|\||&&|==|!=|<=|>=|<<|>>|&\^|[-+*/%&|^<>!=()\[\].,])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\'\"])|(?P<octal>[0-7]{3})|x(?P<x>[0-9a-fA-F]{2})"
    r"|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<bad>.))",
    re.DOTALL,
)
_PLAIN = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


def parse(text: str) -> Node:
    """Parse *text*; raise ExpressionError where it is no expression of the language."""
    cursor = Cursor(text, _TOKEN)
    node = _Parser(cursor).binary(1)
    token = cursor.peek()
    if token.kind != "end":
        raise ExpressionError(f"unexpected {token.text!r}", token.offset)
    return bounded(node)


class _Parser:
    """Precedence climbing over the tokens."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def binary(self, least: int) -> Node:
        """An expression whose operators bind at least as tight as *least*."""
        left = self._unary()
        while True:
            token = self._cursor.peek()
            found = _BINARY.get(token.text) if token.kind == "op" else None
            if found is None:
                self._refuse_operator(token)
                return left
            precedence, name = found
            if precedence < least:
                return left
            self._cursor.next()
            left = Call(token.offset, name, (left, self.binary(precedence + 1)))

    def _refuse_operator(self, token: Token) -> None:
        if token.kind == "op" and token.text not in (")", "]", ","):
            raise ExpressionError(
                f"operator {token.text} is not part of this language",
                token.offset,
                _HINTS.get(token.text, "the operators are == != < <= > >= && || | +"),
            )

    def _unary(self) -> Node:
        self._cursor.descend()
        token = self._cursor.next()
        match token.kind:
            case "name":
                node = self._named(token)
            case "int" | "float":
                node = Literal(token.offset, _number(token))
            case "string" | "raw" | "char":
                node = Literal(token.offset, _text(token))
            case "op" if token.text == "(":
                node = self.binary(1)
                self._cursor.expect(")")
                node = self._postfix(node, receiver=True)
                self._cursor.ascend()
                return node
            case "end":
                raise nothing(token)
            case _:
                raise ExpressionError(
                    f"unexpected {token.text!r}", token.offset, _HINTS.get(token.text, "")
                )
        node = self._postfix(node, receiver=True)
        self._cursor.ascend()
        return node

    def _named(self, token: Token) -> Node:
        if token.text.lower() in ("true", "false"):
            return Literal(token.offset, token.text.lower() == "true")
        self._refuse_keyword(token)
        if self._cursor.peek().says("("):
            return Call(token.offset, token.text, self._arguments())
        return Ident(token.offset, token.text)

    def _postfix(self, node: Node, receiver: bool) -> Node:
        """Selections, lookups and calls after *node*; a bare lookup can't be a *receiver*."""
        while self._cursor.peek().kind == "op":
            token = self._cursor.peek()
            if token.text == ".":
                self._cursor.next()
                if not receiver:
                    raise ExpressionError(
                        "a map lookup can't be followed by a method",
                        token.offset,
                        'put it in parentheses: (m["k"]).startsWith("x")',
                    )
                name = self._cursor.next()
                if name.kind != "name":
                    raise ExpressionError("a name must follow the dot", name.offset)
                if self._cursor.peek().says("("):
                    node = Call(node.offset, name.text, self._arguments(), node)
                else:
                    self._refuse_keyword(name)
                    node = Select(node.offset, node, name.text)
            elif token.text == "[":
                self._cursor.next()
                node = Index(node.offset, node, self.binary(1))
                self._cursor.expect("]")
                receiver = False
            elif token.text == "(":
                raise ExpressionError("only a name can be called", token.offset)
            else:
                break
        return node

    def _arguments(self) -> tuple[Node, ...]:
        self._cursor.expect("(")
        found: list[Node] = []
        while not self._cursor.peek().says(")"):
            found.append(self.binary(1))
            if not self._cursor.takes(","):
                break
        self._cursor.expect(")")
        return tuple(found)

    def _refuse_keyword(self, token: Token) -> None:
        if token.text in _KEYWORDS:
            raise ExpressionError(f"{token.text!r} is a reserved word", token.offset)


def _number(token: Token) -> int | float:
    if token.kind == "float":
        return float(token.text)
    if not token.text.isdigit():
        raise ExpressionError(f"{token.text} is no decimal number", token.offset)
    return integer(token, token.text, 10, 0, (1 << 63) - 1)


def _text(token: Token) -> str | Duration:
    if token.kind == "raw":
        return _or_duration(token.text[1:-1].replace("\r", ""))
    text = _unescape(token)
    if token.kind == "char":
        if len(text) != 1:
            raise ExpressionError("single quotes hold one character", token.offset, 'use "..."')
        return text
    return _or_duration(text)


def _unescape(token: Token) -> str:
    body = token.text[1:-1]
    if "\\" not in body:
        return body
    pieces: list[bytes] = []
    last = 0
    for match in _ESCAPE.finditer(body):
        pieces += (body[last : match.start()].encode(), _escape(match, token))
        last = match.end()
    pieces.append(body[last:].encode())
    return b"".join(pieces).decode(errors="replace")


def _escape(match: re.Match[str], token: Token) -> bytes:
    """Go writes ``\\x`` and octal escapes as bytes, ``\\u`` as characters."""
    if plain := match["plain"]:
        return _PLAIN[plain].encode()
    if digits := match["x"] or match["octal"]:
        value = int(digits, 16 if match["x"] else 8)
        if value < 256:
            return bytes([value])
    if digits := match["u"] or match["U"]:
        value = int(digits, 16)
        if value < 0x110000 and not 0xD800 <= value < 0xE000:
            return chr(value).encode()
    raise ExpressionError(f"unknown escape {match[0]}", token.offset + 1 + match.start())


def _or_duration(text: str) -> str | Duration:
    """A text that reads as a duration is one (spec: expressions, literal typing)."""
    try:
        return Duration.parse(text)
    except ValueError:
        return text
