"""The Open Workflow Specification (formerly CNCF Serverless Workflow), DSL 1.0.3, as a second dialect.

A document compiles to the same `Flow` as a flow of Reactor's own and runs on the same interpreter. A file is one of
this dialect when it begins with `document:` that has a `dsl`.
"""

from reactor.language.dialects.openworkflow.document import Read, is_document, read
from reactor.language.dialects.openworkflow.problems import problem_of

__all__ = ["Read", "is_document", "problem_of", "read"]
