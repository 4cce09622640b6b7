"""`--app MODULE:NAME`: import the program that holds a `Reactor`."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from reactor.model.errors import InvalidError, SettingsError
from reactor.python.app import Reactor


def program_of(place: str) -> Reactor:
    """The `Reactor` at `MODULE:NAME`. The folder that the command was called in is looked in first, as by `python -m`.

    Raises:
        SettingsError: there is no such module or name, it fails while it is imported, or it is no `Reactor`.
    """
    module, _, name = place.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except InvalidError as error:
        raise SettingsError(f"app {place}: {error.message}") from None
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in (module, module.partition(".")[0]):
            raise SettingsError(
                f"app {place}: there is no module {error.name!r} in {here} or among what is installed"
            ) from None
        shown = "".join(traceback.format_exception(error)[-2:]).strip()
        raise SettingsError(f"app {place}: module {module} fails while it is imported: {shown}") from error
    made = getattr(found, name, None)
    if not isinstance(made, Reactor):
        there = [key for key, value in vars(found).items() if isinstance(value, Reactor)]
        hint = f"; it has {', '.join(f'{module}:{key}' for key in there)}" if there else ""
        what = "is not there" if made is None else f"is a {type(made).__name__}, not a reactor.Reactor"
        raise SettingsError(f"app {place}: {name} {what}{hint}")
    return made
