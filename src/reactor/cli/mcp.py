"""`reactor mcp`: hands messages on between a program on this machine (stdin and stdout) and the server's `/mcp`."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from reactor.cli.options import client_of, server_options

if TYPE_CHECKING:
    from reactor.cli.client import Client


@click.command(epilog="Example: reactor mcp --url https://reactor.example.org")
@server_options
def mcp(**where: str | None) -> int:
    """Be an MCP server on stdin and stdout, for desktop programs: what they ask goes to a running Reactor."""
    if find_spec("mcp") is None:
        raise click.ClickException("MCP is not installed here: pip install reactor-engine[mcp]")
    client = client_of(**where)
    client.get("/flows", limit=1)  # whatever is wrong with address or token is said now, in words
    asyncio.run(_bridge(client))
    return 0


async def _bridge(client: Client) -> None:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client
    from mcp.server.stdio import stdio_server

    # No limit for reading: a call lasts as long as its run, and the server says when that is too long.
    timeout = httpx2.Timeout(30, read=None)
    async with (
        httpx2.AsyncClient(headers=client.credentials, timeout=timeout) as http,
        streamable_http_client(client.url + "/mcp", http_client=http) as (from_server, to_server),
        stdio_server() as (from_program, to_program),
    ):
        answers = asyncio.ensure_future(_hand_on(from_server, to_program))
        await _hand_on(from_program, to_server)
        answers.cancel()


async def _hand_on(source: Any, target: Any) -> None:
    async for message in source:
        if isinstance(message, Exception):
            click.echo(f"what came is no message: {message}", err=True)
        else:
            await target.send(message)
