"""What the actions on files do. Everything here blocks: `actions` calls it in threads."""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import os
import stat as st
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from reactor.connectors.file import store
from reactor.connectors.file.actions import Copy, Delete, List, Output, Read, Write
from reactor.connectors.file.confine import Place, errors, place
from reactor.connectors.file.content import ContentError, decode, shown, when
from reactor.connectors.file.pattern import Pattern, parse
from reactor.sdk import ActionContext, PermanentError
from reactor.sdk.paths import Bounds, Identity

READ_MAX = 10_485_760
"""The default of `max_size` where the operator's `output_max` is not known."""
DEEPEST = 100
"""So many folders deep does a recursive list go."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def do(what: str, ctx: ActionContext, params: Any) -> Output:
    """Carry out one of read, write, copy, move, delete and list.

    Raises:
        StepError: it cannot be done.
    """
    with errors(params.path):
        return _WORK[what](ctx, params)


def _key(ctx: ActionContext) -> str:
    """What temporary names are made of."""
    return hashlib.sha256(ctx.idempotency_key.encode()).hexdigest()[:16]


def _read(ctx: ActionContext, params: Read) -> Output:
    limit = params.max_size if params.max_size is not None else int(ctx.settings.get("output_max") or READ_MAX)
    with place(ctx.settings, params.path) as source:
        handle = source.open(os.O_RDONLY)
        with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            found = os.fstat(file.fileno())
            raw = file.read(limit + 1) if found.st_size <= limit else b""
        if found.st_size > limit or len(raw) > limit:
            raise PermanentError(
                "file.too_large", f"{shown(params.path)} has more than {limit} bytes (max_size)", data={"limit": limit}
            )
        try:
            value = decode(raw, params.format, params.encoding)
        except ContentError as error:
            raise PermanentError("file.content", f"{shown(params.path)}: {error}") from error
        return {**source.about(found), "content": value}


def _encode(params: Write) -> bytes:
    content, shape = params.content, params.format
    try:
        if shape == "base64":
            return base64.b64decode(str(content), validate=True)
        if shape == "text" or (shape == "auto" and isinstance(content, str)):
            return str(content).encode(params.encoding)
        return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    except (binascii.Error, UnicodeEncodeError, LookupError, TypeError, ValueError) as error:
        raise PermanentError("file.content", f"the content is not {shape}: {error}") from error


def _write(ctx: ActionContext, params: Write) -> Output:
    raw = _encode(params)
    with place(ctx.settings, params.path, make=params.make_dirs) as target:
        if params.mode == "append":
            _append(target, raw)
        else:
            store.put(
                target,
                lambda handle: store.write_all(handle, raw),
                key=_key(ctx),
                overwrite=params.mode == "overwrite",
            )
        return target.about(_there(target))


def _append(target: Place, raw: bytes) -> None:
    fresh = target.stat() is None
    handle = target.open(os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        store.write_all(handle, raw)
        os.fsync(handle)
    finally:
        os.close(handle)
    if fresh:
        target.sync()


def _transfer(ctx: ActionContext, params: Copy, how: Callable[..., None], *, follow: bool) -> Output:
    with (
        place(ctx.settings, params.path, follow=follow) as source,
        _target(ctx, params, source, follow=follow) as target,
    ):
        if source.stat() is None:
            raise PermanentError("file.not_found", f"{shown(params.path)} does not exist")
        if how is store.relocate and Bounds(ctx.settings).holds_data(source.real):
            raise PermanentError(
                "file.outside",
                f"{params.path!r} holds Reactor's data folder and stays where it is; move what else is in it",
            )
        with errors(params.to):
            how(source, target, key=_key(ctx), overwrite=params.overwrite)
            return {**target.about(_there(target)), "from": shown(source.path)}


def _target(ctx: ActionContext, params: Copy, source: Place, *, follow: bool) -> Place:
    """Where it goes: `to` itself, or the same name in the folder `to`."""
    with errors(params.to):
        into = params.to
        if not into.endswith("/"):
            target = place(ctx.settings, into, follow=follow, make=params.make_dirs)
            there = target.stat()
            if there is None or not st.S_ISDIR(there.st_mode):
                return target
            os.close(target.folder)
        name = os.path.basename(source.path)  # noqa: PTH119
        return place(ctx.settings, f"{into.rstrip('/') or '/'}/{name}", follow=follow, make=params.make_dirs)


def _delete(ctx: ActionContext, params: Delete) -> Output:
    try:
        target = place(ctx.settings, params.path, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        if params.missing_ok:
            return {"path": shown(params.path), "size": None, "modified": None, "deleted": False}
        raise
    with target:
        found = target.stat()
        if found is None and params.missing_ok:
            return {"path": shown(target.path), "size": None, "modified": None, "deleted": False}
        if found is not None and st.S_ISDIR(found.st_mode):
            raise PermanentError("file.not_a_file", f"{shown(params.path)} is a folder; only files are deleted")
        os.unlink(target.name, dir_fd=target.folder)
        target.sync()
        return {**target.about(_there_or(found)), "deleted": True}


def _there(target: Place) -> os.stat_result:
    return os.stat(target.name, dir_fd=target.folder, follow_symlinks=False)


def _there_or(found: os.stat_result | None) -> os.stat_result:
    if found is None:
        raise FileNotFoundError
    return found


def _list(ctx: ActionContext, params: List) -> Output:
    pattern = _pattern(params)
    with place(ctx.settings, pattern.root) as target:
        handle = os.open(target.name, _FOLDER, dir_fd=target.folder)
        try:
            about = target.about(os.fstat(handle))
            data = Bounds(ctx.settings).data_identity
            found = heapq.nsmallest(params.limit + 1, _entries(handle, "", pattern, data, DEEPEST))
        finally:
            os.close(handle)
    entries = [_entry(target.path, relative, info) for relative, info in found[: params.limit]]
    return {
        **about,
        "size": sum(entry["size"] for entry in entries),
        "entries": entries,
        "count": len(entries),
        "truncated": len(found) > params.limit,
    }


def _pattern(params: List) -> Pattern:
    """Where to look and for what: `path` alone, or `path` with `glob` below it."""
    base = os.getcwd()  # noqa: PTH109
    whole = parse(params.path, base, lambda _: True)
    if params.glob is None:
        glob = "**" if params.recursive and whole.glob == "*" else whole.glob
        return Pattern(whole.root, glob)
    folder = os.path.normpath(os.path.join(base, params.path))  # noqa: PTH118
    glob = params.glob
    return Pattern(folder, f"**/{glob}" if params.recursive and "/" not in glob else glob)


Info = tuple[int, int, int]


def _entries(
    folder: int, prefix: str, pattern: Pattern, data: Identity | None, left: int
) -> Iterator[tuple[str, Info]]:
    """(path below the root, (mode, size, mtime)) of all that match, in any order; nothing of the data folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            relative = prefix + entry.name
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if (found.st_dev, found.st_ino) == data:
                continue
            if pattern.matches(relative):
                yield relative, (found.st_mode, found.st_size, found.st_mtime_ns)
            deep = pattern.depth is None or relative.count("/") < pattern.depth
            if deep and left and st.S_ISDIR(found.st_mode):
                yield from _below(folder, entry.name, f"{relative}/", pattern, data, left - 1)


def _below(
    folder: int, name: str, prefix: str, pattern: Pattern, data: Identity | None, left: int
) -> Iterator[tuple[str, Info]]:
    try:
        inner = os.open(name, _FOLDER, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        yield from _entries(inner, prefix, pattern, data, left)
    finally:
        os.close(inner)


def _entry(root: str, relative: str, info: Info) -> dict[str, Any]:
    mode, size, mtime = info
    name = shown(relative.rpartition("/")[2])
    types = {st.S_IFREG: "file", st.S_IFDIR: "folder", st.S_IFLNK: "link"}
    return {
        "path": shown(f"{root.rstrip('/')}/{relative}"),
        "name": name,
        "type": types.get(st.S_IFMT(mode), "other"),
        "extension": os.path.splitext(name)[1],  # noqa: PTH122
        "size": size,
        "modified": when(mtime),
    }


def _copy(ctx: ActionContext, params: Copy) -> Output:
    return _transfer(ctx, params, store.duplicate, follow=True)


def _move(ctx: ActionContext, params: Copy) -> Output:
    return _transfer(ctx, params, store.relocate, follow=False)


_WORK: dict[str, Callable[[ActionContext, Any], Output]] = {
    "read": _read,
    "write": _write,
    "copy": _copy,
    "move": _move,
    "delete": _delete,
    "list": _list,
}
