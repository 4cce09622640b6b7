"""Which packet ids of the session have been committed and may come again: their messages are not told a second time.

A message that was committed but whose acknowledgement the broker did not get comes again with the same packet id,
marked as a duplicate. So the id of each message, with a digest of it, is saved in the commit of its event. When may it
be forgotten? When the broker has read the acknowledgement (it answered a ping that was sent behind it). But a broker
that is killed may forget that it did. Most brokers count packet ids upwards, so that an id does not come back for a
long time: there the last `KEPT` are remembered all the same. Where ids are used again at once, remembering them longer
could take a new message for an old one, and that would be a loss.

Pure: saved values in, values to save out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from reactor.sdk import JSON

KEPT = 1_000
_LEAD = "ids."
_UPWARDS = "ids_upwards"
_AROUND = 0x8000
"""An id that is less than so much ahead is ahead; else it is behind."""


class _Group(msgspec.Struct):
    """The messages of one commit."""

    name: str
    ids: dict[int, str]
    ticket: int | None = None
    """The ping behind their acknowledgement; None: not acknowledged yet."""


class Memory:
    """What has been committed."""

    def __init__(self, saved: Mapping[str, JSON]) -> None:
        numbers = sorted(int(name[len(_LEAD) :]) for name in saved if name.startswith(_LEAD))
        self._groups = [_Group(f"{_LEAD}{n}", _read(str(saved[f"{_LEAD}{n}"]))) for n in numbers]
        self._next = numbers[-1] + 1 if numbers else 0
        self._known: dict[int, _Group] = {}
        """The last group with this id."""
        for group in self._groups:
            self._known.update(dict.fromkeys(group.ids, group))
        self._last: int | None = None
        self._upwards = self._told = bool(saved.get(_UPWARDS))

    def __len__(self) -> int:
        return len(self._known)

    def has(self, mid: int, digest: str, *, dup: bool, fresh: bool = False) -> bool:
        """Whether this message is committed already. A new one with that id takes the place of the old one.

        `fresh`: the broker had read all our acknowledgements when it sent it, so that its id tells how it chooses them.
        """
        if dup:
            group = self._known.get(mid)
            if group is None or group.ids[mid] != digest:
                return False
            group.ticket = None  # the acknowledgement before this was not read: only the next one counts
            return True
        if fresh and self._last is not None:
            self._upwards = 0 < (mid - self._last) % 0x10000 < _AROUND
        self._last = mid
        self._known.pop(mid, None)
        return False

    def commit(self, ids: Sequence[tuple[int, str]], pongs: int) -> dict[str, JSON]:
        """What is to be saved in the commit of these messages."""
        save: dict[str, JSON] = {group.name: None for group in self._forgotten(pongs)}
        if self._told is not self._upwards:
            self._told = self._upwards
            save[_UPWARDS] = self._upwards or None
        if ids:
            group = _Group(f"{_LEAD}{self._next}", dict(ids))
            self._next += 1
            self._groups.append(group)
            self._known.update(dict.fromkeys(group.ids, group))
            save[group.name] = " ".join(f"{mid}:{digest}" for mid, digest in group.ids.items())
        return save

    def acknowledged(self, ticket: int) -> None:
        """All that is committed has been acknowledged, before the ping of this number."""
        for group in self._groups:
            if group.ticket is None:
                group.ticket = ticket

    @property
    def hasty(self) -> bool:
        """Whether something should be forgotten soon, also if nothing more comes."""
        return not self._upwards and bool(self._groups)

    def pending(self, pongs: int) -> bool:
        """Whether a save would forget something that should not be kept."""
        return self.hasty and bool(self._old(pongs))

    def clear(self) -> dict[str, JSON]:
        """Forget all: the session is another. What is to be saved."""
        save: dict[str, JSON] = {group.name: None for group in self._groups}
        self._groups.clear()
        self._known.clear()
        self._last, self._upwards, self._told = None, False, False
        return {**save, _UPWARDS: None}

    def _old(self, pongs: int) -> list[_Group]:
        confirmed = [group for group in self._groups if group.ticket is not None and group.ticket <= pongs]
        if not self._upwards:
            return confirmed
        spare = sum(len(group.ids) for group in self._groups) - KEPT
        old = []
        for group in confirmed:
            spare -= len(group.ids)
            if spare < 0:
                break
            old.append(group)
        return old

    def _forgotten(self, pongs: int) -> list[_Group]:
        old = self._old(pongs)
        for group in old:
            self._groups.remove(group)
            for mid in group.ids:
                if self._known.get(mid) is group:
                    del self._known[mid]
        return old


def _read(text: str) -> dict[int, str]:
    pairs = (entry.partition(":") for entry in text.split())
    return {int(mid): digest for mid, _, digest in pairs}
