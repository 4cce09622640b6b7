"""Flows changed by people through the API: written back to the file that they come from, or kept in the store alone.

The text is the truth, comments and all. A change says which text it was made from (`etag`), and is refused when the
file holds another by now: nobody writes over what somebody else has saved.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from reactor.engine.flow_files import FlowFiles
from reactor.engine.flows import FlowBook
from reactor.engine.folder import LARGEST, Folder
from reactor.language.loader import Loaded
from reactor.language.problems import Problem, errors
from reactor.model.errors import ConflictError, InvalidError, NotFoundError, TooLargeError
from reactor.model.flow import CODE, Flow

_BIG = 20_000
"""Characters of a text from which on it is not read on the loop's thread."""


class WrongFlowError(InvalidError):
    """The text is no flow that can run; `problems` say where."""

    status = 422

    def __init__(self, message: str, problems: list[Problem]) -> None:
        super().__init__(message)
        self.problems = problems


class StaleError(ConflictError):
    """The text is no longer the one that the change was made from; `held` is what there is."""

    def __init__(self, message: str, held: Held) -> None:
        super().__init__(message)
        self.held = held


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a flow as it is kept now."""

    text: str
    etag: str
    file: str | None
    writable: bool
    reason: str
    """Why it cannot be changed here; empty: it can."""


def etag_of(text: str) -> str:
    """Which text it is."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Editing:
    """See the module."""

    def __init__(self, book: FlowBook, load: Callable[[str, str | None], Loaded], folder: Folder | None) -> None:
        self._book = book
        self._load = load
        self._folder = folder
        self._files = None if folder is None else FlowFiles(folder.root, folder.shown)
        self._one_at_a_time = asyncio.Lock()

    async def held(self, flow: Flow) -> Held:
        """The text of a flow: of its file where it has one, which may be newer (and wrong) beside what runs."""
        why = self._closed(flow)
        if why or flow.file is None or self._files is None:
            return Held(text=flow.source, etag=etag_of(flow.source), file=flow.file, writable=not why, reason=why)
        try:
            text = await asyncio.to_thread(self._files.read, flow.file)
        except (ConflictError, NotFoundError) as error:
            return Held(
                text=flow.source, etag=etag_of(flow.source), file=flow.file, writable=False, reason=error.message
            )
        why = await asyncio.to_thread(self._files.why_not, flow.file)
        return Held(text=text, etag=etag_of(text), file=flow.file, writable=not why, reason=why)

    def _closed(self, flow: Flow) -> str:
        if flow.code is not None or (flow.file or "").startswith(CODE):
            return f"flow {flow.name!r} is Python code ({(flow.file or '').removeprefix(CODE)}); change it there"
        if flow.file is not None and self._folder is None:
            return (
                f"flow {flow.name!r} came from the file {flow.file}, and no folder of flows is followed now: "
                "start with the folder (reactor run DIR) to change it"
            )
        return ""

    async def create(self, text: str, file: str | None = None) -> Flow:
        """A new flow: in a file of the folder (`NAME.yaml`, or the one that is named), or in the store where there is
        no folder.

        Raises:
            WrongFlowError: the text is wrong. ConflictError: there is such a flow, or such a file.
            InvalidError: the file's name cannot be. TooLargeError: the text is too long.
        """
        async with self._one_at_a_time:
            flow = await self._checked(text, file)
            if flow.name in self._book.current:
                raise ConflictError(f"there is a flow {flow.name!r} already; PUT /api/v1/flows/{flow.name} changes it")
            if self._folder is None or self._files is None:
                if file is not None:
                    raise InvalidError("there is no folder of flows, so a flow has no file; leave `file` out")
                return await self._book.take(msgspec.structs.replace(flow, file=None))
            owner = self._folder.file_of(flow.name)
            if owner is not None:
                raise ConflictError(f"{owner} holds a flow {flow.name!r} already, with errors; mend that file")
            where = self._files.named(file if file is not None else f"{flow.name}.yaml")
            await asyncio.to_thread(self._files.create, where, text)
            return await self._taken_over(flow.name, where)

    async def replace(self, name: str, text: str, etag: str) -> Flow:
        """Another text for a flow: a new version of it, if it means something else.

        Raises:
            NotFoundError: there is no such flow. WrongFlowError: the text is wrong, or of a flow with another name.
            StaleError: the flow has another text by now. ConflictError: it cannot be changed here.
        """
        async with self._one_at_a_time:
            held = await self._held_as(name, etag)
            flow = await self._checked(text, held.file)
            if flow.name != name:
                message = (
                    f"the text is of a flow {flow.name!r}; to rename {name!r}, make the new one and delete the old"
                )
                raise WrongFlowError(message, [Problem(rule="name", message=message, file=held.file)])
            if held.file is None or self._files is None:
                return await self._book.take(msgspec.structs.replace(flow, file=None))
            await asyncio.to_thread(self._files.write, held.file, text, held.text)
            return await self._taken_over(name, held.file)

    async def delete(self, name: str, etag: str) -> Flow:
        """Take a flow away, and its file. Runs under way go on. Returns what it was.

        Raises:
            NotFoundError, StaleError, ConflictError: as `replace`.
        """
        async with self._one_at_a_time:
            held = await self._held_as(name, etag)
            flow = self._book.get(name)
            if held.file is None or self._files is None:
                await self._book.forget(name)
                return flow
            await asyncio.to_thread(self._files.remove, held.file, held.text)
            if self._folder is not None:
                await self._folder.sync()
            return flow

    async def _held_as(self, name: str, etag: str) -> Held:
        held = await self.held(self._book.get(name))
        if held.reason:
            raise ConflictError(held.reason)
        if held.etag != etag:
            message = f"flow {name!r} has been changed since it was read: look at its text as it is now, and save again"
            raise StaleError(message, held)
        return held

    async def _checked(self, text: str, file: str | None) -> Flow:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > LARGEST:
            raise TooLargeError(f"the text has {size} bytes; a flow has at most {LARGEST}")
        loaded = self._load(text, file) if len(text) < _BIG else await asyncio.to_thread(self._load, text, file)
        wrong = errors(loaded.problems)
        if loaded.flow is None or wrong:
            count = f"{len(wrong)} problem{'s' if len(wrong) != 1 else ''}"
            first = f"; the first, in line {wrong[0].line}: {wrong[0].message}" if wrong else ""
            raise WrongFlowError(f"the text has {count}, nothing was changed{first}", loaded.problems)
        return loaded.flow

    async def _taken_over(self, name: str, file: str) -> Flow:
        """The flow as the folder has taken it over from the file that was just written."""
        if self._folder is None:
            return self._book.get(name)
        await self._folder.sync()
        flow = self._book.current.get(name)
        if flow is None or flow.file != file:
            said: Any = next((problem.message for problem in self._folder.problems if problem.file == file), None)
            raise ConflictError(f"{file} is written, but flow {name!r} is not taken from it: {said or 'see the log'}")
        return flow
