"""Drivers of other systems. They come as extras of the package, so one may not be installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from reactor.model.errors import PermanentError


@contextlib.contextmanager
def needed(extra: str) -> Iterator[None]:
    """Around the import of a driver, or of what imports it. `extra`: the extra of the package that brings it along.

    Raises:
        PermanentError: kind `input`: it is not installed; the message says how to.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "reactor":  # a fault of ours
            raise
        what = error.name or error
        raise PermanentError(
            "input", f"a driver is not installed ({what}): pip install reactor-engine[{extra}]"
        ) from error
