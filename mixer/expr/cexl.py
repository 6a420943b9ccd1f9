"""
Istio's own expression syntax: the subset of Go's expressions that the original accepts.

Law: any text gives a tree or an ExpressionError with an offset, in bounded time and depth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
    MAX_DEPTH,
    MAX_LENGTH,
    NE,
    OR,
    Call,
    Ident,
    Index,
    Literal,
    Node,
    Select,
    bounded,
    too_deep,
)

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


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text."""

    kind: str
    text: str
    offset: int


def parse(text: str) -> Node:
    """Parse *text*; raise ExpressionError where it is no expression of the language."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters; split the expression")
    parser = _Parser(_tokens(text), len(text))
    node = parser.binary(1)
    parser.end()
    return bounded(node)


def _tokens(text: str) -> list[Token]:
    found, offset = [], 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None or match.lastgroup is None:
            raise ExpressionError(_stray(text, offset), offset)
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match[0], offset))
        offset = match.end()
    return found


def _stray(text: str, offset: int) -> str:
    if text[offset] in "\"'`":
        return f"the text that begins with {text[offset]} has no end"
    return f"unexpected character {text[offset]!r}"


class _Parser:
    """Precedence climbing over the tokens."""

    def __init__(self, tokens: list[Token], length: int) -> None:
        self._tokens = tokens
        self._at = 0
        self._end = Token("end", "", length)
        self._depth = 0

    def binary(self, least: int) -> Node:
        """An expression whose operators bind at least as tight as *least*."""
        left = self._unary()
        while True:
            token = self._peek()
            found = _BINARY.get(token.text) if token.kind == "op" else None
            if found is None:
                self._refuse_operator(token)
                return left
            precedence, name = found
            if precedence < least:
                return left
            self._next()
            left = Call(token.offset, name, (left, self.binary(precedence + 1)))

    def end(self) -> None:
        token = self._peek()
        if token.kind != "end":
            raise ExpressionError(f"unexpected {token.text!r}", token.offset)

    def _refuse_operator(self, token: Token) -> None:
        if token.kind == "op" and token.text not in (")", "]", ","):
            raise ExpressionError(
                f"operator {token.text} is not part of this language",
                token.offset,
                _HINTS.get(token.text, "the operators are == != < <= > >= && || | +"),
            )

    def _unary(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep(self._peek().offset)
        token = self._next()
        match token.kind:
            case "name":
                node = self._named(token)
            case "int" | "float":
                node = Literal(token.offset, _number(token))
            case "string" | "raw" | "char":
                node = Literal(token.offset, _text(token))
            case "op" if token.text == "(":
                node = self.binary(1)
                self._expect(")")
                node = self._postfix(node, receiver=True)
                self._depth -= 1
                return node
            case "end":
                raise ExpressionError("the expression ends where a value is expected", token.offset)
            case _:
                raise ExpressionError(
                    f"unexpected {token.text!r}", token.offset, _HINTS.get(token.text, "")
                )
        node = self._postfix(node, receiver=True)
        self._depth -= 1
        return node

    def _named(self, token: Token) -> Node:
        if token.text.lower() in ("true", "false"):
            return Literal(token.offset, token.text.lower() == "true")
        self._refuse_keyword(token)
        if self._peek().text == "(" and self._peek().kind == "op":
            return Call(token.offset, token.text, self._arguments())
        return Ident(token.offset, token.text)

    def _postfix(self, node: Node, receiver: bool) -> Node:
        """Selections, lookups and calls after *node*; a bare lookup can't be a *receiver*."""
        while self._peek().kind == "op":
            token = self._peek()
            if token.text == ".":
                self._next()
                if not receiver:
                    raise ExpressionError(
                        "a map lookup can't be followed by a method",
                        token.offset,
                        'put it in parentheses: (m["k"]).startsWith("x")',
                    )
                name = self._next()
                if name.kind != "name":
                    raise ExpressionError("a name must follow the dot", name.offset)
                if self._peek().text == "(" and self._peek().kind == "op":
                    node = Call(node.offset, name.text, self._arguments(), node)
                else:
                    self._refuse_keyword(name)
                    node = Select(node.offset, node, name.text)
            elif token.text == "[":
                self._next()
                node = Index(node.offset, node, self.binary(1))
                self._expect("]")
                receiver = False
            elif token.text == "(":
                raise ExpressionError("only a name can be called", token.offset)
            else:
                break
        return node

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        found: list[Node] = []
        while self._peek().text != ")":
            found.append(self.binary(1))
            if self._peek().text != ",":
                break
            self._next()
        self._expect(")")
        return tuple(found)

    def _refuse_keyword(self, token: Token) -> None:
        if token.text in _KEYWORDS:
            raise ExpressionError(f"{token.text!r} is a reserved word", token.offset)

    def _expect(self, text: str) -> None:
        token = self._next()
        if token.kind != "op" or token.text != text:
            shown = repr(token.text) if token.kind != "end" else "the end"
            raise ExpressionError(f"expected {text!r} instead of {shown}", token.offset)

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else self._end

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token


def _number(token: Token) -> int | float:
    if token.kind == "float":
        return float(token.text)
    if not token.text.isdigit():
        raise ExpressionError(f"{token.text} is no decimal number", token.offset)
    value = int(token.text.lstrip("0") or "0") if len(token.text) < 40 else 1 << 64
    if value >= 1 << 63:
        raise ExpressionError(f"{token.text} does not fit 64 bits", token.offset)
    return value


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
