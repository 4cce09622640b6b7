"""The actions `file.read`, `file.lines`, `file.write`, `file.copy`, `file.move`, `file.delete` and `file.list`.

They work in threads, within the allowed folders (`confine`). Errors: `file.not_found`, `file.exists`, `file.denied`,
`file.outside`, `file.too_large`, `file.not_a_file`, `file.invalid`, `file.content`, `file.changed` are permanent;
`file.io` (disk full, read error) is worth another try. A thread cannot be stopped: an action that runs into its timeout
may still end its work.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec

from reactor.sdk import JSON, ActionContext, Effect, action

Output = dict[str, JSON]


class Read(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `file.read` takes."""

    path: str
    encoding: str = "utf-8"
    format: Literal["text", "json", "csv", "base64"] = "text"
    max_size: int | None = None
    """Bytes; default: as large as an output may be."""


class Cursor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a page of `file.lines` begins."""

    file: str
    at: int = 0
    """The byte."""
    line: int = 0
    """So many lines stand before it."""
    names: list[str] | None = None
    """The first row of a CSV file, once it was read."""


class Lines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `file.lines` takes."""

    path: str
    format: Literal["text", "csv", "json"] = "text"
    """text: lines without their ends; csv: maps by the first row; json: a value a line, empty ones are left out."""
    encoding: str = "utf-8"
    size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1_000
    """So many items a page, and at most about a megabyte."""
    cursor: Cursor | None = None
    """Where a page begins, as the page before gave it: then the output is that page, `{items, cursor}`. `for_each` does
    this by itself."""


class Write(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `file.write` takes."""

    path: str
    content: Any
    """Text; anything else is written as JSON."""
    mode: Literal["overwrite", "create", "append"] = "overwrite"
    format: Literal["auto", "text", "json", "base64"] = "auto"
    encoding: str = "utf-8"
    make_dirs: bool = True


class Copy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `file.copy` and `file.move` take."""

    path: str
    to: str
    """A path, or a folder (one that is there, or any with a slash at its end) to keep the name in."""
    overwrite: bool = False
    make_dirs: bool = True


class Delete(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `file.delete` takes."""

    path: str
    missing_ok: bool = False


class List(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `file.list` takes."""

    path: str = "."
    """A folder, or a pattern such as `inbox/**/*.csv`."""
    glob: str | None = None
    """Names or, with a slash in it, paths below the folder."""
    recursive: bool = False
    limit: int = 1_000


@action("file.read", params=Read, effect=Effect.READ)
async def read(ctx: ActionContext, params: Read) -> Output:
    """Read a file as text, JSON, CSV (a list of maps by the first row) or base 64."""
    return await _do("read", ctx, params)


@action("file.lines", params=Lines, effect=Effect.READ, stream=True)
async def read_lines(ctx: ActionContext, params: Lines) -> Output:
    """Open a file as a stream of its lines, however long it is: `for_each: steps.NAME.output` reads it page by page.

    Memory holds one page, and a run that is taken up after a crash reads on where it was. A file that has been replaced
    or cut meanwhile fails with `file.changed`. A line has at most a megabyte.
    """
    from reactor.connectors.file import paging  # noqa: PLC0415 - as in `_do`

    return await asyncio.to_thread(paging.read, ctx, params)


@action("file.write", params=Write, effect=Effect.WRITE)
async def write(ctx: ActionContext, params: Write) -> Output:
    """Write a file whole or not at all: beside it, fsync, then renamed. `mode: append` adds to its end instead.

    `overwrite` gives the same result when it is done again after a crash. `create` then finds its own file and fails
    with `file.exists`; `append` then adds twice: use `delivery: at_most_once` where that matters.
    """
    return await _do("write", ctx, params)


@action("file.copy", params=Copy, effect=Effect.WRITE)
async def copy(ctx: ActionContext, params: Copy) -> Output:
    """Copy a file with its rights; the copy appears whole or not at all."""
    return await _do("copy", ctx, params)


@action("file.move", params=Copy, effect=Effect.WRITE)
async def move(ctx: ActionContext, params: Copy) -> Output:
    """Move or rename a file or folder. Done again after a crash it fails with `file.not_found`, as it has moved."""
    return await _do("move", ctx, params)


@action("file.delete", params=Delete, effect=Effect.WRITE)
async def delete(ctx: ActionContext, params: Delete) -> Output:
    """Delete a file or link, never a folder. `deleted` tells whether there was one."""
    return await _do("delete", ctx, params)


@action("file.list", params=List, effect=Effect.READ)
async def list_files(ctx: ActionContext, params: List) -> Output:
    """List a folder by name. `entries`: maps of `path name type extension size modified`; links are not followed."""
    return await _do("list", ctx, params)


async def _do(what: str, ctx: ActionContext, params: Any) -> Output:
    from reactor.connectors.file import work  # noqa: PLC0415 - paid by flows that use files

    return await asyncio.to_thread(work.do, what, ctx, params)
