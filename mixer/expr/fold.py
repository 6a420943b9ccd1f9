"""
What of an expression is known before any call: constants are worked out once.

Law: what can't be absent for a fallback stays so; a branch that could takes no choice's place.
"""

from __future__ import annotations

from mixer.expr.tree import Apply, Conditional, Constant, Logic, Tree, may_be_absent
from mixer.expr.values import weight

MAX_WEIGHT = 10_000
"""Larger values are left to the calls that need them."""


def apply(tree: Apply) -> Tree:
    """*tree*, or its value; a failure stays a failure of the call."""
    if not all(isinstance(argument, Constant) for argument in tree.args):
        return tree
    values = [argument.value for argument in tree.args if isinstance(argument, Constant)]
    try:
        value = tree.overload.call(*values)
    except (ValueError, ArithmeticError):
        return tree
    if weight(value, *values) > MAX_WEIGHT:
        return tree
    return Constant(tree.type, value, tree.source)


def logic(tree: Logic) -> Tree:
    """*tree* without operands that decide nothing, up to the first that decides all."""
    operands: list[Tree] = []
    for operand in tree.operands:
        if not isinstance(operand, Constant):
            operands.append(operand)
        elif operand.value is tree.decisive:
            operands.append(operand)
            break
    match operands:
        case []:
            return Constant(tree.type, not tree.decisive, tree.source)
        case [only] if not may_be_absent(only):
            return only
        case _:
            return Logic(
                tree.decisive, tuple(operands), tree.absorbs, tree.type, source=tree.source
            )


def conditional(tree: Conditional) -> Tree:
    """*tree*, or the branch that its condition always takes."""
    if not isinstance(tree.condition, Constant):
        return tree
    branch = tree.yes if tree.condition.value else tree.no
    return tree if may_be_absent(branch) else branch
