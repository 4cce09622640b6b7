"""Dead letters: messages that made no event, kept beside the events until somebody tries them again or drops them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import msgspec

from reactor.model import ids
from reactor.model.clock import Instant
from reactor.model.errors import ConflictError, NotFoundError, RefusedError
from reactor.model.event import JSON, EventDraft
from reactor.model.flow import Flow, TriggerSpec
from reactor.sdk.manifest import Catalog
from reactor.sdk.trigger import DeadLetter, Receipt, TriggerLost
from reactor.stores.port import Batch, Letter, LetterBox

PREFIX = "ltr"
"""Of the ids of letters."""
MOST = 10_000
"""Letters of one trigger; more, and the trigger stops: a source of nothing but poison must not fill the disk."""
_PART = 1_000
"""Letters of one commit when many are dropped."""
_NO_DATA = object()


class _More(msgspec.Struct):
    """What is kept beside reason and payload."""

    flow: str
    kind: str
    at: Instant
    draft: EventDraft | None = None
    metadata: dict[str, JSON] = msgspec.field(default_factory=dict)
    subject: str | None = None
    id: str | None = None


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """A letter as people see it."""

    key: int
    trigger: str
    flow: str
    kind: str
    at: Instant
    reason: str
    size: int
    metadata: dict[str, JSON]
    payload: bytes | None = None
    """None in lists."""


_encode = msgspec.json.Encoder().encode
_more = msgspec.json.Decoder(_More).decode


def written(key: int, spec: TriggerSpec, dead: DeadLetter, now: Instant) -> Letter:
    """A letter as the store keeps it."""
    flow = spec.key.rpartition("/")[0]
    more = _More(flow, spec.kind, now, dead.draft, dead.metadata, dead.subject, dead.id)
    return Letter(
        key=key,
        trigger=spec.key,
        reason=dead.reason,
        payload=dead.payload,
        size=len(dead.payload),
        more=_encode(more),
    )


class Letters:
    """See the module. `accept` is the door, `flow` finds a current flow by its name."""

    def __init__(
        self,
        box: LetterBox | None,
        catalog: Catalog,
        flow: Callable[[str], Flow | None],
        accept: Callable[..., Any],
        add: Callable[[Batch], Any],
    ) -> None:
        self._box = box
        self._catalog = catalog
        self._flow = flow
        self._accept = accept
        self._add = add
        self.counts: dict[str, int] = {}
        self._retried: set[int] = set()

    async def open(self) -> None:
        """Count what is there."""
        self.counts = await self._box.letter_counts() if self._box is not None else {}

    def check_room(self, trigger: str, more: int) -> None:
        """Raises TriggerLost when a trigger has too many."""
        if not more:
            return
        if self._box is None:
            raise TriggerLost("messages that cannot be read have no place here: this store keeps no dead letters")
        if self.counts.get(trigger, 0) >= MOST:
            raise TriggerLost(
                f"{MOST:,} dead letters of this trigger wait for a decision, and the next message cannot be read; "
                f"retry or drop them: reactor dead-letters list --trigger {trigger}"
            )

    def added(self, trigger: str, number: int) -> None:
        """So many have been kept."""
        self.counts[trigger] = self.counts.get(trigger, 0) + number

    async def page(self, trigger: str | None, below: int | None, limit: int) -> list[LetterView]:
        """The newest first, without payloads."""
        found = await self._box.letters(trigger, below, limit) if self._box is not None else []
        return [_view(letter) for letter in found]

    async def show(self, key: int) -> LetterView:
        """One with its payload.

        Raises:
            NotFoundError: there is none, or it has been decided.
        """
        return _view(await self._letter(key))

    async def retry(self, key: int, data: Any = _NO_DATA) -> Receipt:
        """Read it again with the flow as it is now, or take `data` in its place; then it is an event like any other,
        and no letter any more, in one commit.

        Raises:
            NotFoundError: there is no such letter. ConflictError: its flow or trigger is gone, or it can still not be
            read. BusyError: see `Intake.accept`.
        """
        self._free(key)
        self._retried.add(key)
        try:
            return await self._retry(key, data)
        finally:
            self._retried.discard(key)

    async def _retry(self, key: int, data: Any) -> Receipt:
        letter = await self._letter(key)
        more = _more(letter.more)
        spec = self._spec(letter.trigger, more)
        draft = await self._draft(letter, more, spec, data)
        name = f"reactor/triggers/{letter.trigger}"
        draft = msgspec.structs.replace(draft, to=(letter.trigger,), source=draft.source or name, id=draft.id)
        if spec.type is not None:
            draft = msgspec.structs.replace(draft, type=spec.type)
        receipts: list[Receipt] = await self._accept([draft], answered=(key,))
        self._removed(letter.trigger)
        return receipts[0]

    async def drop(self, key: int) -> None:
        """Forget one.

        Raises:
            NotFoundError: there is no such letter.
        """
        self._free(key)
        letter = await self._letter(key)
        await self._add(Batch(answered=[key]))
        self._removed(letter.trigger)

    async def drop_all(self, trigger: str | None) -> int:
        """Forget all that are there, of one trigger or of all; how many. Those that are being retried stay."""
        dropped, below = 0, None
        while found := await self.page(trigger, below, _PART):
            going = [one for one in found if one.key not in self._retried]
            await self._add(Batch(answered=[one.key for one in going]))
            for one in going:
                self._removed(one.trigger)
            dropped, below = dropped + len(going), found[-1].key
        return dropped

    async def _draft(self, letter: Letter, more: _More, spec: TriggerSpec, data: Any) -> EventDraft:
        trigger = self._catalog.triggers.get(spec.kind)
        if data is not _NO_DATA:
            type_ = more.draft.type if more.draft is not None else getattr(trigger, "default_type", spec.kind)
            base = more.draft or EventDraft(type=type_, subject=more.subject, id=more.id, metadata=more.metadata)
            return msgspec.structs.replace(base, data=data, raw=None)
        if more.draft is not None:
            raw = letter.payload or b"null"
            try:
                return msgspec.structs.replace(more.draft, data=msgspec.json.decode(raw), raw=raw)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise ConflictError(
                    "its data cannot be written as JSON; give other data to take in its place"
                ) from None
        redo = getattr(trigger, "redo", None)
        if redo is None:
            raise ConflictError(f"a trigger of kind {spec.kind!r} cannot read a message again; give data in its place")
        dead = DeadLetter(
            reason=letter.reason,
            payload=letter.payload or b"",
            metadata=more.metadata,
            subject=more.subject,
            id=more.id,
        )
        from reactor.engine.triggers import convert  # noqa: PLC0415 - that module keeps letters, too

        try:
            made = redo(convert(trigger, spec.config), dead) if trigger is not None else EventDraft(type="")
            draft: EventDraft = await made if inspect.isawaitable(made) else made
        except (RefusedError, msgspec.ValidationError) as error:
            raise ConflictError(f"it can still not be read: {error}") from None
        return draft

    def _spec(self, key: str, more: _More) -> TriggerSpec:
        flow = self._flow(more.flow)
        found = next((spec for spec in flow.triggers if spec.key == key), None) if flow is not None else None
        if found is None or found.kind != more.kind:
            raise ConflictError(f"the flow {more.flow!r} has no trigger {key!r} of kind {more.kind!r} any more")
        return found

    def _free(self, key: int) -> None:
        if key in self._retried:
            raise ConflictError(f"dead letter {ids.to_text(PREFIX, key)} is being retried right now; look again")

    async def _letter(self, key: int) -> Letter:
        found = await self._box.letter(key) if self._box is not None else None
        if found is None:
            raise NotFoundError(f"there is no dead letter {ids.to_text(PREFIX, key)}; it may have been decided already")
        return found

    def _removed(self, trigger: str) -> None:
        left = self.counts.get(trigger, 1) - 1
        if left > 0:
            self.counts[trigger] = left
        else:
            self.counts.pop(trigger, None)


def _view(letter: Letter) -> LetterView:
    more = _more(letter.more)
    return LetterView(
        key=letter.key,
        trigger=letter.trigger,
        flow=more.flow,
        kind=more.kind,
        at=more.at,
        reason=letter.reason,
        size=letter.size,
        metadata=more.metadata,
        payload=letter.payload,
    )
