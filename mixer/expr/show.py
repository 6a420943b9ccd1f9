"""
Syntax tree to CEL text: `cel.parse` of it gives the tree again, apart from offsets.

A duration, which only Istio's syntax has as a literal, is shown as CEL writes it.
"""

from __future__ import annotations

import json

from attributes import Duration
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
)

_BINARY = {
    OR: (1, "||"),
    AND: (2, "&&"),
    EQ: (3, "=="),
    NE: (3, "!="),
    LT: (3, "<"),
    LE: (3, "<="),
    GT: (3, ">"),
    GE: (3, ">="),
    IN: (3, "in"),
    ADD: (4, "+"),
    SUB: (4, "-"),
    FALLBACK: (4, "|"),
    MUL: (5, "*"),
    DIV: (5, "/"),
    MOD: (5, "%"),
}
_UNARY = {NOT: "!", NEGATE: "-"}
_PREFIXED, _POSTFIXED = 6, 7


def show(node: Node) -> str:
    """*node* as CEL text with as few parentheses as can be."""
    return _show(node, 0)


def _show(node: Node, least: int) -> str:
    """*node*, in parentheses where it binds less tight than *least*."""
    text, binds = _text(node)
    return f"({text})" if binds < least else text


def _text(node: Node) -> tuple[str, int]:
    """The text of *node*, and how tight it binds."""
    match node:
        case Literal():
            return _literal(node)
        case Ident():
            return f".{node.name}" if node.rooted else node.name, _POSTFIXED
        case Select():
            dot = ".?" if node.optional else "."
            return f"{_operand(node.operand)}{dot}{_field(node.field)}", _POSTFIXED
        case Index():
            mark = "?" if node.optional else ""
            return f"{_operand(node.operand)}[{mark}{show(node.key)}]", _POSTFIXED
        case ListOf():
            items = [_marked(show(item), at in node.optional) for at, item in enumerate(node.items)]
            return f"[{', '.join(items)}]", _POSTFIXED
        case MapOf():
            entries = [
                _marked(f"{show(key)}: {show(value)}", at in node.optional)
                for at, (key, value) in enumerate(node.entries)
            ]
            return f"{{{', '.join(entries)}}}", _POSTFIXED
        case Call():
            return _call(node)


def _marked(text: str, optional: bool) -> str:
    return f"?{text}" if optional else text


def _operand(node: Node) -> str:
    """What a selection, an index or a method follows."""
    if isinstance(node, Literal) and not isinstance(node.value, str | bytes):
        return f"({_text(node)[0]})"
    return _show(node, _POSTFIXED)


def _field(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else f"`{name}`"


def _call(node: Call) -> tuple[str, int]:
    if node.target is None and node.function in _BINARY:
        binds, sign = _BINARY[node.function]
        left, right = node.args
        return f"{_show(left, binds)} {sign} {_show(right, binds + 1)}", binds
    if node.target is None and node.function in _UNARY:
        operand = node.args[0]
        number = isinstance(operand, Literal) and isinstance(operand.value, int | float)
        text = f"({_text(operand)[0]})" if number else _show(operand, _PREFIXED)
        return _UNARY[node.function] + text, _PREFIXED
    if node.function == CONDITIONAL:
        condition, yes, no = node.args
        return f"{_show(condition, 1)} ? {_show(yes, 1)} : {show(no)}", 0
    arguments = ", ".join(map(show, node.args))
    target = "" if node.target is None else f"{_operand(node.target)}."
    return f"{target}{node.function}({arguments})", _POSTFIXED


def _literal(node: Literal) -> tuple[str, int]:
    match node.value:
        case None:
            return "null", _POSTFIXED
        case bool():
            return str(node.value).lower(), _POSTFIXED
        case Duration():
            return f'duration("{node.value}")', _POSTFIXED
        case int():
            return f"{node.value}{'u' if node.unsigned else ''}", _POSTFIXED
        case float():
            return _double(node.value), _POSTFIXED
        case bytes():
            octets = "".join(
                chr(octet) if 32 <= octet < 127 and octet not in b'"\\' else f"\\x{octet:02x}"
                for octet in node.value
            )
            return f'b"{octets}"', _POSTFIXED
        case text:
            return quoted(text), _POSTFIXED


def _double(value: float) -> str:
    text = repr(value)
    if text in ("inf", "-inf"):
        return "-1e999" if value < 0 else "1e999"
    return text


def quoted(text: str) -> str:
    """*text* as a literal of CEL in double quotes."""
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}" if ord(char) > 0xFFFF
        else f"\\u{ord(char):04x}"
        for char in shown
    )  # fmt: skip
