"""The trigger `file`.

The truth is a snapshot (path → mtime, size, inode) that is kept in the same commit as the events; what the folder looks
like is compared with it at start, whenever the operating system hints at something, every three minutes, and after
trouble. So what happened while Reactor was down is found, and nothing is told twice: ids are made of the change itself.

Told are plain files that match; every name counts, also hidden and temporary ones, except the unfinished files of our
own actions (`.reactor-*.tmp`). A file that comes and goes within `settle` gives nothing. A change of the content that
leaves size and mtime as they were cannot be seen. Renaming a file and changing it at once is a deletion and a creation.

While a watched folder is missing, unreadable, replaced or does not answer, the trigger is lost and says why; deletions
are told only of a folder that is there. A folder that is empty and on another disk than before is taken for one that is
not mounted.

Reactor's own data folder is passed over, and cannot be watched; a folder within it that is one of the `file_roots` can,
where the pattern begins with it.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reactor.connectors.file.config import FileConfig
from reactor.sdk import TriggerContext


class FileTrigger:
    """Tells which files are created, modified, deleted or moved in folders."""

    kind: ClassVar[str] = "file"
    config: ClassVar[type[msgspec.Struct]] = FileConfig
    short: ClassVar[str | None] = "path"
    doc: ClassVar[str] = "An event for each file that is created, modified, deleted or moved, also while it was down."
    default_type: ClassVar[str] = "file.created"

    def check(self, config: FileConfig) -> list[str]:
        return config.problems()

    async def run(self, ctx: TriggerContext) -> None:
        from reactor.connectors.file.watching import Watching  # noqa: PLC0415 - paid by flows that watch

        await Watching(ctx).run()
