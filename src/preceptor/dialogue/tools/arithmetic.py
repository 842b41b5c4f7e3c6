"""Sums for agents that should not do them in their heads: numbers, + - * /, brackets, and nothing else."""

import ast
import math
import operator
from collections.abc import Callable, Mapping

from preceptor.errors import ToolFailed

LONGEST = 500
"""Characters of an expression: nobody's bill is longer, and what is nested deeper costs more than it is worth."""
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculated(expression: str) -> float:
    """The value of an arithmetic expression, to two places.

    Raises:
        ToolFailed: it is none, or is divided by zero.
    """
    try:
        if len(expression) > LONGEST:
            raise ValueError
        found = _value(ast.parse(expression.strip(), mode="eval").body)
        if not math.isfinite(found):
            raise ValueError
        return round(found, 2)
    except ZeroDivisionError:
        raise ToolFailed("The expression divides by zero.") from None
    except (SyntaxError, ValueError, OverflowError, RecursionError):
        raise ToolFailed("The expression must be numbers with + - * / and brackets.") from None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
    raise ValueError
