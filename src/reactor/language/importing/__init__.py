"""Flows of other engines → flows of ours, with a report of what became of each construct.

Nothing is dropped silently: what has no counterpart is a step that fails when a run comes to it, named after the
original and with its parameters in the comment above. What comes out is always a valid flow.
"""

from reactor.language.importing.coverage import Construct, Coverage
from reactor.language.importing.take import ENGINES, Imported, engine_of, take_over

__all__ = ["ENGINES", "Construct", "Coverage", "Imported", "engine_of", "take_over"]
