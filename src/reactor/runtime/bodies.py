"""Code where a list of steps may stand. What it does is in `code`; here is what the interpreter has to know of it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from reactor.model.flow import Step


class Body(tuple[Step, ...]):  # noqa: SLOT001 - a tuple can have none
    """Steps that code makes as it goes. As a tuple it is empty."""

    def __bool__(self) -> bool:
        return True

    @abstractmethod
    async def walk(self, it: Any, prefix: str, frame: Any) -> Any:
        """Run the code; its output."""

    @abstractmethod
    def collect(self, it: Any, prefix: str, frame: Any) -> None:
        """Run the code as far as the journal has outcomes of what it asks for, to find out what there is to undo."""
