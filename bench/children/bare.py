"""PORT: a bare Starlette app that reads JSON and answers 202, served as Reactor is: the most that HTTP allows."""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_ANSWER = b'{"event_id":"evt_0000000000000","runs":[],"duplicate":false}'


async def hook(request: Request) -> Response:
    await request.json()
    return Response(_ANSWER, 202, media_type="application/json")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/hook", hook, methods=["POST"])])
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
    )
