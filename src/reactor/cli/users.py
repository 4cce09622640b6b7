"""`reactor users …`: by the server's API; where none runs on the data folder, on the folder itself."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from reactor.cli.options import client_of, json_option, server_options, settings_of

if TYPE_CHECKING:
    from reactor.engine.access.people import People
    from reactor.stores.access import User

ROLES = ("viewer", "editor", "operator", "admin")
Work = Callable[["People"], Awaitable["User | list[User]"]]


@click.group(epilog="Example: reactor users add ann@example.com --role editor")
def users() -> None:
    """Add users, list them, change their roles and passwords, remove them."""


@users.command("list", epilog="Example: reactor users list --json")
@json_option
@server_options
def list_(as_json: bool, **where: str | None) -> None:
    """List users with their roles."""
    from reactor.cli import output

    if (found := _here(where, lambda people: people.all(), None)) is None:
        found = _pages(where)
    columns = ("name", "role", "signs in by", "state", "since")
    output.page(
        {"items": found, "next": None}, columns, _row, as_json=as_json, empty="no users; the admin token is all"
    )


def _pages(where: dict[str, str | None]) -> list[Any]:
    client, found, cursor = client_of(**where), [], None
    while True:
        answer = client.get("/users", limit=1000, cursor=cursor)
        found += answer["items"]
        cursor = answer["next"]
        if cursor is None:
            return found


def _row(one: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    way = "password" if one["password"] else one["issuer"] or "OIDC, not yet"
    state = output.styled("disabled", "red") if one["disabled"] else "enabled"
    return [one["name"], one["role"], way, state, output.time(one["created_at"])]


@users.command(epilog="Example: reactor users add ann@example.com --role admin")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What this user may do.")
@click.option("--no-password", is_flag=True, help="Signs in by OIDC, with NAME as the verified address.")
@json_option
@server_options
def add(name: str, role: str, no_password: bool, as_json: bool, **where: str | None) -> None:
    """Add a user. The password is asked for, or read from standard input."""
    from reactor.model.access import Role

    password = None if no_password else _password(name)
    details = {"role": role, "password": password is not None}
    made = _here(
        where, lambda people: people.add(name, Role(role), password), ("POST /api/v1/users", name, 201, details)
    )
    if made is None:
        made = client_of(**where).post("/users", {"name": name, "role": role, "password": password})
    _told(made, as_json)


@users.command("set", epilog="Example: reactor users set ann@example.com --role operator")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="What this user may do.")
@click.option("--disable", "disabled", flag_value=True, type=bool, default=None, help="Let this user in no more.")
@click.option("--enable", "disabled", flag_value=False, type=bool, help="Let this user in again.")
@click.option("--password", "asked", is_flag=True, help="Another password: asked for, or from standard input.")
@json_option
@server_options
def set_(name: str, role: str | None, disabled: bool | None, asked: bool, as_json: bool, **where: str | None) -> None:
    """Change a user. The sessions of this user end."""
    from reactor.cli.client import part
    from reactor.model.access import ADMIN, Role

    if role is None and disabled is None and not asked:
        raise click.UsageError("Nothing is changed: give --role, --disable, --enable or --password.")
    password = _password(name) if asked else None
    details = {"role": role, "disabled": disabled, "password": asked or None}
    changed = _here(
        where,
        lambda people: people.change(
            ADMIN, name, role=None if role is None else Role(role), disabled=disabled, password=password
        ),
        ("PATCH /api/v1/users/{name}", name, 200, details),
    )
    if changed is None:
        body = {"role": role, "disabled": disabled, "password": password}
        given = {key: value for key, value in body.items() if value is not None}
        changed = client_of(**where).request("PATCH", f"/api/v1/users/{part(name)}", given)
    _told(changed, as_json)


@users.command(epilog="Example: reactor users remove ann@example.com")
@click.argument("name")
@json_option
@server_options
def remove(name: str, as_json: bool, **where: str | None) -> None:
    """Remove a user with all tokens and sessions."""
    from reactor.cli.client import part
    from reactor.model.access import ADMIN

    gone = _here(where, lambda people: people.remove(ADMIN, name), ("DELETE /api/v1/users/{name}", name, 200, {}))
    if gone is None:
        gone = client_of(**where).delete(f"/users/{part(name)}")
    if as_json:
        _told(gone, as_json)
    else:
        click.echo(f"{gone['name']}  removed")


def _told(user: dict[str, Any], as_json: bool) -> None:
    from reactor.cli import output

    if as_json:
        output.print_json(user)
    else:
        click.echo(f"{user['name']}  {user['role']}{'  disabled' if user['disabled'] else ''}")


def _password(name: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().removesuffix("\n").removesuffix("\r")


def _here(where: dict[str, str | None], work: Work, note: tuple[str, str, int, dict[str, Any]] | None) -> Any:
    """The answer from the data folder itself, noted in its audit log; None where a server has to be asked."""
    import asyncio

    from reactor.cli.client import is_served
    from reactor.server.api_access import user_view

    settings = settings_of({"url": where["url"], "data": where["data"]}, where["config"])
    if is_served(settings):
        return None

    async def worked() -> Any:
        from reactor.app import people_of

        async with people_of(settings) as (people, noted):
            found = await work(people)
            if note is not None:
                await noted(*note)
            return [user_view(one) for one in found] if isinstance(found, list) else user_view(found)

    return asyncio.run(worked())
