"""Where files may be: the folders that the operator named (`file_roots`), and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reactor.model.errors import PermanentError


def inside_roots(settings: Mapping[str, Any], path: str) -> Path:
    """The real path, links followed, if it is under one of the `file_roots`; a relative one starts at the first root.

    Looks at the disk: call it off the loop when the disk may be slow.

    Raises:
        PermanentError: kind `input`: there are no roots, or the path is outside them, or is no path at all.
    """
    roots = [Path(root).resolve() for root in settings.get("file_roots", ())]
    if not roots:
        raise PermanentError("input", f"{path!r}: no folder is open to flows; name some in REACTOR_FILE_ROOTS")
    try:
        real = (roots[0] / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in it, or links in a circle
        raise PermanentError("input", f"{path!r} is not a path: {error}") from error
    if not any(real.is_relative_to(root) for root in roots):
        allowed = ", ".join(map(str, roots))
        raise PermanentError("input", f"{path!r} is outside the folders open to flows ({allowed}; REACTOR_FILE_ROOTS)")
    return real
