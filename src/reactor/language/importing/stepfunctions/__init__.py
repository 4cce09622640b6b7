"""State machines of AWS Step Functions (Amazon States Language) as flows."""

from reactor.language.importing.stepfunctions.machine import read_states

__all__ = ["read_states"]
