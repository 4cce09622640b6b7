"""Expressions: Jinja2's language in a sandbox of our own, bounded in time and size; Go's templates are read into it.

`compile_value`, `compile_expression`, `compile_condition` and `compile_command` give an `Expr` of `reactor.model.flow`
that also knows the paths it reads. Compiling happens once, when a flow is loaded; evaluating takes microseconds.
"""

from reactor.language.expressions.access import reactor_callable
from reactor.language.expressions.build import compile_condition, compile_expression, compile_value, is_template
from reactor.language.expressions.compiled import Compiled, Constant, Expression, ListOf, MapOf, Source, written
from reactor.language.expressions.correlate import correlations
from reactor.language.expressions.limits import LIMITS, ExpressionSyntaxError, Limits
from reactor.language.expressions.missing import MARK, Unknown
from reactor.language.expressions.references import Reference
from reactor.language.expressions.shell import compile_command
from reactor.language.expressions.values import to_json_value, truth

__all__ = [
    "LIMITS",
    "MARK",
    "Compiled",
    "Constant",
    "Expression",
    "ExpressionSyntaxError",
    "Limits",
    "ListOf",
    "MapOf",
    "Reference",
    "Source",
    "Unknown",
    "compile_command",
    "compile_condition",
    "compile_expression",
    "compile_value",
    "correlations",
    "is_template",
    "reactor_callable",
    "to_json_value",
    "truth",
    "written",
]
