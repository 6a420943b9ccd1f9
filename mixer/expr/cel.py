"""
CEL: the syntax of the Common Expression Language (cel-spec, langdef.md, Syntax).

Law: any text gives a tree or an ExpressionError with an offset, in bounded time and depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from mixer.errors import ExpressionError
from mixer.expr.syntax import (
    ADD,
    AND,
    CONDITIONAL,
    DIV,
    EQ,
    FALLBACK,
    GE,
    GT,
    IN,
    LE,
    LT,
    MOD,
    MUL,
    NE,
    NEGATE,
    NOT,
    OR,
    SUB,
    Call,
    Ident,
    Index,
    ListOf,
    Literal,
    MapOf,
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
    "in": (3, IN),
    "+": (4, ADD),
    "-": (4, SUB),
    "|": (4, FALLBACK),
    "*": (5, MUL),
    "/": (5, DIV),
    "%": (5, MOD),
}
"""Precedence, higher binds tighter, and name of each operator; all are left-associative."""

_UNARY = {"!": NOT, "-": NEGATE}
_HINTS = {
    "=": "use == to compare",
    "&": "use && for and",
    "and": "use &&",
    "or": "use ||",
    "not": "use !",
    "is": "use ==",
}
_NAMED = {"true": True, "false": False, "null": None}
_RESERVED = frozenset(
    "as break const continue else for function if import let loop package namespace return var"
    " void while".split()
)
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n\f]+|//[^\n]*)
    | (?P<float>(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
    | (?P<uint>(?:0[xX][0-9a-fA-F]+|\d+)[uU])
    | (?P<int>0[xX][0-9a-fA-F]+|\d+)
    | (?P<raw>(?:[rR][bB]?|[bB][rR])(?:\"{3}[^\0]*?\"{3}|'{3}[^\0]*?'{3}|"[^"\r\n]*"|'[^'\r\n]*'))
    | (?P<text>[bB]?(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}
                      |"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*'))
    | (?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
    | (?P<quoted>`[a-zA-Z0-9_./\ -]+`)
    | (?P<op>\|\||&&|==|!=|<=|>=|[-+*/%|<>!=()\[\]{}.,?:&])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\'\"`?])|(?P<octal>[0-3][0-7]{2})|[xX](?P<x>[0-9a-fA-F]{2})"
    r"|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<bad>.))",
    re.DOTALL,
)
_PLAIN = dict(zip("abfnrtv\\'\"`?", "\a\b\f\n\r\t\v\\'\"`?", strict=True))
_Item = TypeVar("_Item")


def parse(text: str) -> Node:
    """
    Parse *text*; raise ExpressionError where it is no CEL.

    One operator is ours: ``a | b``, the first that is there, which binds as tight as ``+``.
    """
    cursor = Cursor(text, _TOKEN)
    node = _Parser(cursor).expression()
    token = cursor.peek()
    if token.kind != "end":
        raise ExpressionError(
            f"unexpected {token.text!r}", token.offset, _HINTS.get(token.text, "")
        )
    return bounded(node)


class _Parser:
    """Precedence climbing over the words."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def expression(self) -> Node:
        """A conditional or what binds tighter."""
        condition = self._binary(1)
        token = self._cursor.peek()
        if not self._cursor.takes("?"):
            return condition
        self._cursor.descend()
        yes = self._binary(1)
        self._cursor.expect(":")
        no = self.expression()
        self._cursor.ascend()
        return Call(token.offset, CONDITIONAL, (condition, yes, no))

    def _binary(self, least: int) -> Node:
        """Operands between operators that bind at least as tight as *least*."""
        left = self._unary()
        while True:
            token = self._cursor.peek()
            is_operator = token.kind == "op" or token.text == "in"
            precedence, name = _BINARY.get(token.text, (0, "")) if is_operator else (0, "")
            if precedence < least or not precedence:
                return left
            self._cursor.next()
            left = Call(token.offset, name, (left, self._binary(precedence + 1)))

    def _unary(self) -> Node:
        operators = []
        while (token := self._cursor.peek()).kind == "op" and token.text in _UNARY:
            operators.append(self._cursor.next())
        self._cursor.descend()
        negative = bool(operators) and operators[-1].text == "-"
        if negative and self._cursor.peek().kind in ("int", "float"):
            minus = operators.pop()
            node = self._postfix(_number(self._cursor.next(), minus))
        else:
            node = self._postfix(self._primary())
        self._cursor.ascend()
        for operator in reversed(operators):
            node = Call(operator.offset, _UNARY[operator.text], (node,))
        return node

    def _primary(self) -> Node:
        token = self._cursor.next()
        match token.kind:
            case "name":
                return self._named(token, rooted=False)
            case "int" | "uint" | "float":
                return _number(token, None)
            case "text" | "raw":
                return Literal(token.offset, _content(token))
            case "op" if token.text == "(":
                node = self.expression()
                self._cursor.expect(")")
                return node
            case "op" if token.text == "[":
                items, optional = self._row("]", self.expression)
                return ListOf(token.offset, items, optional)
            case "op" if token.text == "{":
                entries, optional = self._row("}", self._entry)
                return MapOf(token.offset, entries, optional)
            case "op" if token.text == ".":
                name = self._cursor.next()
                if name.kind == "name":
                    return self._named(name, rooted=True)
        raise nothing(token)

    def _named(self, token: Token, rooted: bool) -> Node:
        name = token.text
        if name in _NAMED and not rooted:
            return Literal(token.offset, _NAMED[name])
        if name in _RESERVED or name in _NAMED or name == "in":
            raise ExpressionError(f"{name!r} is a reserved word", token.offset)
        if self._cursor.takes("("):
            return Call(token.offset, name, self._arguments())
        return Ident(token.offset, name, rooted)

    def _postfix(self, node: Node) -> Node:
        """Selections, lookups and calls after *node*."""
        while True:
            token = self._cursor.peek()
            if self._cursor.takes("."):
                node = self._selection(node, token)
            elif self._cursor.takes("["):
                optional = self._cursor.takes("?")
                node = Index(token.offset, node, self.expression(), optional)
                self._cursor.expect("]")
            elif token.says("{") and isinstance(node, Ident | Select):
                raise ExpressionError("messages can't be constructed here", token.offset)
            else:
                return node

    def _selection(self, node: Node, dot: Token) -> Node:
        optional = self._cursor.takes("?")
        name = self._cursor.next()
        field = name.text.strip("`")
        if name.kind not in ("name", "quoted") or field in _NAMED or field == "in":
            raise ExpressionError("a name must follow the dot", name.offset)
        if name.kind == "name" and not optional and self._cursor.takes("("):
            return Call(name.offset, field, self._arguments(), node)
        return Select(dot.offset, node, field, optional)

    def _arguments(self) -> tuple[Node, ...]:
        """What is between the parentheses of a call, the first of which is taken."""
        if self._cursor.takes(")"):
            return ()
        found = [self.expression()]
        while self._cursor.takes(","):
            found.append(self.expression())
        self._cursor.expect(")")
        return tuple(found)

    def _row(self, end: str, item: Callable[[], _Item]) -> tuple[tuple[_Item, ...], frozenset[int]]:
        """Items up to *end*, and which of them are optional; a last comma is allowed."""
        found: list[_Item] = []
        optional: set[int] = set()
        if self._cursor.takes(","):  # the grammar allows it of an empty row as well
            self._cursor.expect(end)
            return (), frozenset()
        while not self._cursor.peek().says(end):
            if self._cursor.takes("?"):
                optional.add(len(found))
            found.append(item())
            if not self._cursor.takes(","):
                break
        self._cursor.expect(end)
        return tuple(found), frozenset(optional)

    def _entry(self) -> tuple[Node, Node]:
        key = self.expression()
        self._cursor.expect(":")
        return key, self.expression()


def _number(token: Token, minus: Token | None) -> Literal:
    offset, sign = (token.offset, "") if minus is None else (minus.offset, "-")
    text = token.text.lower()
    if token.kind == "float":
        return Literal(offset, float(sign + text))
    is_unsigned = token.kind == "uint"
    digits = text.removesuffix("u") if is_unsigned else text
    base = 16 if digits.startswith("0x") else 10
    least, most = (0, 2**64 - 1) if is_unsigned else (-(2**63), 2**63 - 1)
    return Literal(offset, integer(token, sign + digits, base, least, most), is_unsigned)


def _content(token: Token) -> str | bytes:
    """What a text or bytes literal says."""
    quoted = token.text.lstrip("rRbB")
    is_bytes = "b" in token.text[: -len(quoted)].lower()
    width = 3 if quoted[:3] in ('"""', "'''") else 1
    body = quoted[width:-width]
    if token.kind == "raw" or "\\" not in body:
        return body.encode() if is_bytes else body
    pieces: list[bytes] = []
    last = 0
    for match in _ESCAPE.finditer(body):
        pieces += (body[last : match.start()].encode(), _escape(match, token, is_bytes))
        last = match.end()
    pieces.append(body[last:].encode())
    joined = b"".join(pieces)
    return joined if is_bytes else joined.decode()


def _escape(match: re.Match[str], token: Token, is_bytes: bool) -> bytes:
    """In bytes, ``\\x`` and octal escapes are bytes; in texts they are characters."""
    if plain := match["plain"]:
        return _PLAIN[plain].encode()
    if digits := match["x"] or match["octal"]:
        value = int(digits, 16 if match["x"] else 8)
        return bytes([value]) if is_bytes else chr(value).encode()
    if not is_bytes and (digits := match["u"] or match["U"]):
        value = int(digits, 16)
        if value < 0x110000 and not 0xD800 <= value < 0xE000:
            return chr(value).encode()
    raise ExpressionError(f"unknown escape {match[0]}", token.offset)
