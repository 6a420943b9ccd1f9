"""The docstrings of a struct's fields, as written below each of them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from functools import cache
from textwrap import dedent


@cache
def field_docs(struct_type: type) -> Mapping[str, str]:
    """
    Give the docstring of each field, inherited ones included, as one line of text.

    Reads the source; a class that has none at hand has no docs. Cold: for schemas and references.
    """
    docs: dict[str, str] = {}
    for type_ in reversed(struct_type.__mro__):
        docs |= _own(type_)
    return docs


def _own(type_: type) -> dict[str, str]:
    try:
        tree = ast.parse(dedent(inspect.getsource(type_)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0]
    if not isinstance(body, ast.ClassDef):
        return {}
    return {
        field.target.id: " ".join(doc.value.value.split())
        for field, doc in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(doc, ast.Expr)
        and isinstance(doc.value, ast.Constant)
        and isinstance(doc.value.value, str)
    }
