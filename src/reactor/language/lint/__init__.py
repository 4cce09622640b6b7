"""Lint: what is valid and still probably not meant. Rules are small functions in a registry; see `docs/lint.md`."""

from reactor.language.lint.registry import RULES, Rule
from reactor.language.lint.run import lint, lint_folder

__all__ = ["RULES", "Rule", "lint", "lint_folder"]
