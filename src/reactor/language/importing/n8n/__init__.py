"""n8n's workflows as flows."""

from reactor.language.importing.n8n.workflow import read_n8n

__all__ = ["read_n8n"]
