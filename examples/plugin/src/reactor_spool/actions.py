"""The action `spool.add`."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from reactor.sdk import ActionContext, Effect, PermanentError, TransientError, action
from reactor.sdk.paths import inside_roots


class AddParams(msgspec.Struct, forbid_unknown_fields=True):
    """The fields are the action's parameters: `validate`, the editor's completion and the docs know them from here."""

    path: str
    line: str

    def __post_init__(self) -> None:
        """Check what types cannot say; the message is shown to whoever wrote the flow."""
        if "\n" in self.line:
            raise ValueError("line: it has a line break in it; add line by line")


@action("spool.add", params=AddParams, effect=Effect.WRITE)
async def add(ctx: ActionContext, params: AddParams) -> dict[str, Any]:
    """Add a line to a spool file. Output: `path`, `added` (false when an earlier attempt had added it)."""
    # Reactor calls again after a crash or a failed attempt, with the same key: whoever keeps it does nothing twice.
    path = inside_roots(ctx.settings, params.path)  # never where the operator has not allowed it
    try:
        added = await asyncio.to_thread(_append, path, f"{params.line}\t{ctx.idempotency_key}\n")
    except PermissionError as error:
        raise PermanentError("spool.denied", f"{params.path}: {error.strerror}") from error
    except OSError as error:  # a full disk may have room again: worth another try
        raise TransientError("spool.io", f"{params.path}: {error.strerror}") from error
    ctx.log.info("%s: %s", params.path, "added" if added else "was there")
    return {"path": str(path), "added": added}


def _append(path: Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as spool:
        spool.seek(0)
        if text in spool:
            return False
        spool.write(text)
    return True
