"""`/` and the control room below `/ui/`. The pages hold no value of ours: they ask the API."""

from __future__ import annotations

from reactor.server import control_room
from reactor.server.problems import Receive, Scope, Send
from reactor.server.sign_in import moved


class Page:
    """ASGI callables. They tell nothing before their reader has signed in."""

    async def home(self, scope: Scope, receive: Receive, send: Send) -> None:
        """To the control room."""
        await moved(send, control_room.PREFIX)

    async def show(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The control room."""
        await control_room.show(scope, send)
