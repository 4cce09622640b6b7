"""What is different between two flows, by meaning: not by line, nor by the order of keys, quotes or comments."""

from reactor.language.diff.changes import Change
from reactor.language.diff.flows import diff

__all__ = ["Change", "diff"]
