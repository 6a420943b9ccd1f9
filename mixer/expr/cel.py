"""
CEL: cel-python's grammar, and the way from its parse tree to ours.

Law: any text gives a tree or an ExpressionError with an offset, in bounded time and depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mixer.errors import ExpressionError, StartError
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
    MAX_DEPTH,
    MAX_LENGTH,
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
    too_deep,
)

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

_BINARY = {
    "relation_lt": LT,
    "relation_le": LE,
    "relation_gt": GT,
    "relation_ge": GE,
    "relation_eq": EQ,
    "relation_ne": NE,
    "relation_in": IN,
    "addition_add": ADD,
    "addition_sub": SUB,
    "addition_or": FALLBACK,
    "multiplication_mul": MUL,
    "multiplication_div": DIV,
    "multiplication_mod": MOD,
}
_LOGIC = {"conditionalor": OR, "conditionaland": AND}
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_ESCAPE = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\'\"`?])|(?P<octal>[0-3][0-7]{2})|[xX](?P<x>[0-9a-fA-F]{2})"
    r"|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<bad>.))",
    re.DOTALL,
)
_PLAIN = dict(zip("abfnrtv\\'\"`?", "\a\b\f\n\r\t\v\\'\"`?", strict=True))


def parse(text: str) -> Node:
    """
    Parse *text*; raise ExpressionError where it is no CEL.

    One operator is ours: ``a | b``, the first that is there, which binds as tight as ``+``.
    """
    from lark.exceptions import LarkError, UnexpectedInput, UnexpectedToken

    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters; split the expression")
    try:
        tree = _grammar().parse(text)
    except UnexpectedToken as error:
        at_end = error.token.type == "$END"
        raise _syntax_error(text, len(text) if at_end else error.pos_in_stream) from None
    except UnexpectedInput as error:
        raise _syntax_error(text, error.pos_in_stream) from None
    except LarkError as error:
        raise ExpressionError(str(error).splitlines()[0]) from None
    return bounded(_Reader().node(tree))


@cache
def _grammar() -> Lark:
    """The one parser of the process, made at first use."""
    from lark import Lark

    spec = find_spec("celpy")
    if spec is None or spec.origin is None:
        raise StartError("the package cel-python is not installed; its grammar is needed")
    grammar = Path(spec.origin).with_name("cel.lark").read_text(encoding="utf-8")
    extended = grammar.replace(
        "[addition_add | addition_sub]", "[addition_add | addition_sub | addition_or]"
    )
    return Lark(
        extended + '\naddition_or : addition "|"\n',
        parser="lalr",
        start="expr",
        lexer_callbacks={"IDENT": _literal_names},
        propagate_positions=True,
        maybe_placeholders=False,
        priority="invert",
        g_regex_flags=re.MULTILINE,
    )


def _literal_names(token: Token) -> Token:
    """The grammar's lexer takes the names of literals for identifiers."""
    kinds = {"true": "BOOL_LIT", "false": "BOOL_LIT", "null": "NULL_LIT"}
    return token.update(type=kinds.get(token.value, token.type))


def _syntax_error(text: str, offset: int | None) -> ExpressionError:
    if offset is None or offset < 0 or offset >= len(text):
        return ExpressionError("the expression ends where a value is expected", len(text))
    found = re.compile(r"\w+|\S").match(text, offset)
    shown = found[0] if found else text[offset]
    hint = {"=": "use == to compare", "&": "use && for and"}.get(shown, "")
    return ExpressionError(f"unexpected {shown!r}", offset, hint)


class _Reader:
    """Turns a parse tree into ours."""

    def __init__(self) -> None:
        self._depth = 0

    def node(self, tree: Tree[Token]) -> Node:
        self._depth += 1
        while len(tree.children) == 1 and tree.data in _TRANSPARENT:
            tree = tree.children[0]
        if self._depth > MAX_DEPTH:
            raise too_deep(_start(tree))
        found = _READERS[tree.data](self, tree)
        self._depth -= 1
        return found

    def conditional(self, tree: Tree[Token]) -> Node:
        return Call(_start(tree), CONDITIONAL, tuple(map(self.node, _trees(tree))))

    def logic(self, tree: Tree[Token]) -> Node:
        """``a && b && c``, whose left spine may be long."""
        rights = []
        name = tree.data
        while tree.data == name and len(tree.children) == 2:
            left, right = _trees(tree)
            rights.append(right)
            tree = left
        node = self.node(tree)
        for right in reversed(rights):
            node = Call(_start(right), _LOGIC[name], (node, self.node(right)))
        return node

    def binary(self, tree: Tree[Token]) -> Node:
        """A chain of operators of one precedence, whose left spine may be long."""
        rights = []
        kind = tree.data
        while tree.data == kind and len(tree.children) == 2:
            operator, right = _trees(tree)
            rights.append((operator, right))
            tree = _trees(operator)[0]
        node = self.node(tree)
        for operator, right in reversed(rights):
            node = Call(_start(right), _BINARY[operator.data], (node, self.node(right)))
        return node

    def unary(self, tree: Tree[Token]) -> Node:
        operator, operand = _trees(tree)
        name = NOT if operator.data == "unary_not" else NEGATE
        return Call(_start(tree), name, (self.node(operand),))

    def select(self, tree: Tree[Token]) -> Node:
        operand, name = tree.children
        return Select(_start(tree), self.node(operand), str(name))

    def method(self, tree: Tree[Token]) -> Node:
        target, name, *rest = tree.children
        return Call(
            _start(tree),
            str(name),
            self.arguments(rest),
            self.node(target),
        )

    def index(self, tree: Tree[Token]) -> Node:
        operand, key = _trees(tree)
        return Index(_start(tree), self.node(operand), self.node(key))

    def message(self, tree: Tree[Token]) -> Node:
        raise ExpressionError("messages can't be constructed here", _start(tree))

    def ident(self, tree: Tree[Token]) -> Node:
        name = str(tree.children[0])
        if name in _RESERVED:
            raise ExpressionError(f"{name!r} is a reserved word", _start(tree))
        return Ident(_start(tree), name)

    def call(self, tree: Tree[Token]) -> Node:
        name, *rest = tree.children
        return Call(_start(tree), str(name), self.arguments(rest))

    def arguments(self, rest: list[Token | Tree[Token]]) -> tuple[Node, ...]:
        return tuple(self.node(one) for listed in rest for one in _trees(listed))

    def parenthesised(self, tree: Tree[Token]) -> Node:
        return self.node(_trees(tree)[0])

    def list_of(self, tree: Tree[Token]) -> Node:
        return ListOf(_start(tree), self.arguments(list(tree.children)))

    def map_of(self, tree: Tree[Token]) -> Node:
        parts = self.arguments(list(tree.children))
        return MapOf(_start(tree), tuple(zip(parts[::2], parts[1::2], strict=True)))

    def literal(self, tree: Tree[Token]) -> Node:
        token = tree.children[0]
        text, offset = str(token), _start(tree)
        match token.type:
            case "INT_LIT":
                return Literal(offset, _integer(text, offset, -(2**63), 2**63 - 1))
            case "UINT_LIT":
                return Literal(offset, _integer(text[:-1], offset, 0, 2**64 - 1), unsigned=True)
            case "FLOAT_LIT":
                return Literal(offset, float(text))
            case "BOOL_LIT":
                return Literal(offset, text == "true")
            case "NULL_LIT":
                return Literal(offset, None)
            case "BYTES_LIT":
                return Literal(offset, _unquote(text[1:], offset, raw_bytes=True))
            case _:
                return Literal(offset, _unquote(text, offset, raw_bytes=False).decode())


_READERS: dict[str, Callable[[_Reader, Tree[Token]], Node]] = {
    "expr": _Reader.conditional,
    "conditionalor": _Reader.logic,
    "conditionaland": _Reader.logic,
    "relation": _Reader.binary,
    "addition": _Reader.binary,
    "multiplication": _Reader.binary,
    "unary": _Reader.unary,
    "member_dot": _Reader.select,
    "member_dot_arg": _Reader.method,
    "member_index": _Reader.index,
    "member_object": _Reader.message,
    "ident": _Reader.ident,
    "dot_ident": _Reader.ident,
    "ident_arg": _Reader.call,
    "dot_ident_arg": _Reader.call,
    "paren_expr": _Reader.parenthesised,
    "list_lit": _Reader.list_of,
    "map_lit": _Reader.map_of,
    "literal": _Reader.literal,
}
_TRANSPARENT = frozenset(
    [
        "expr",
        "conditionalor",
        "conditionaland",
        "relation",
        "addition",
        "multiplication",
        "unary",
        "member",
        "primary",
    ]
)


def _trees(tree: Token | Tree[Token]) -> list[Tree[Token]]:
    children: list[Tree[Token]] = tree.children
    return children


def _start(tree: Tree[Token]) -> int:
    return getattr(tree.meta, "start_pos", 0)


def _integer(text: str, offset: int, least: int, most: int) -> int:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    value = sign * int(digits, 16 if digits[:2] in ("0x", "0X") else 10) if len(text) < 40 else None
    if value is None or not least <= value <= most:
        raise ExpressionError(f"{text} does not fit 64 bits", offset)
    return value


def _unquote(text: str, offset: int, raw_bytes: bool) -> bytes:
    """The content of a string or bytes literal, as UTF-8 for a string."""
    is_raw = text[0] in "rR"
    quoted = text[1:] if is_raw else text
    width = 3 if quoted[:3] in ('"""', "'" * 3) else 1
    body = quoted[width:-width]
    if is_raw or "\\" not in body:
        return body.encode()
    pieces: list[bytes] = []
    last = 0
    for match in _ESCAPE.finditer(body):
        pieces += (body[last : match.start()].encode(), _escape(match, offset, raw_bytes))
        last = match.end()
    pieces.append(body[last:].encode())
    return b"".join(pieces)


def _escape(match: re.Match[str], offset: int, raw_bytes: bool) -> bytes:
    """In bytes, ``\\x`` and octal escapes are bytes; in strings they are characters."""
    if plain := match["plain"]:
        return _PLAIN[plain].encode()
    if digits := match["x"] or match["octal"]:
        value = int(digits, 16 if match["x"] else 8)
        return bytes([value]) if raw_bytes else chr(value).encode()
    if not raw_bytes and (digits := match["u"] or match["U"]):
        value = int(digits, 16)
        if value < 0x110000 and not 0xD800 <= value < 0xE000:
            return chr(value).encode()
    raise ExpressionError(f"unknown escape {match[0]}", offset)
