"""The connector `file`: what changes in folders, and actions on files."""

from reactor.connectors.file.actions import copy, delete, list_files, move, read, read_lines, write
from reactor.connectors.file.trigger import FileTrigger
from reactor.sdk import Connector

connector = Connector(
    name="file",
    doc="Watches folders, and reads, writes, copies, moves, deletes and lists files within the allowed folders.",
    actions=(read, read_lines, write, copy, move, delete, list_files),
    triggers=(FileTrigger(),),
    types={
        "file.created": "A file has appeared and is complete.",
        "file.modified": "A file's content was changed or replaced.",
        "file.deleted": "A file is gone.",
        "file.moved": "A file has another path; `old_path` is where it was.",
    },
)
