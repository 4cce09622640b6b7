"""A flow in plain English: "when an HTTP POST to /orders comes, if total > 100: charge, then tell". Pure."""

from reactor.language.reads.diagram import Diagram, Node, Part, Start, diagram
from reactor.language.reads.sentence import Told, lines, sentence
from reactor.language.reads.steps import emitted, title
from reactor.language.reads.triggers import when

__all__ = ["Diagram", "Node", "Part", "Start", "Told", "diagram", "emitted", "lines", "sentence", "title", "when"]
