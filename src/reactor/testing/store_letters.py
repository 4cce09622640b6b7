"""The part of the store's suite that is about messages which made no event."""

from __future__ import annotations

from typing import Any

from reactor.stores.port import Acceptance, Batch, Letter
from reactor.testing.store_kit import HARD_TEXTS, Opened, same


class LetterSuite:
    """Letters are kept with everything else of their commit, and go when they are answered."""

    async def test_letters_come_and_go(self, opened: Opened) -> None:
        store = opened.store
        kept = [letter(opened, f"f/{n % 2}", payload=bytes([n]) * n) for n in range(5)]
        await store.commit(Batch(letters=kept, saved=[("f/0", "at", b"5")]))
        listed = [Letter(**{**_fields(one), "payload": None}) for one in reversed(kept)]
        same(await store.letters(None, None, 100), listed)
        same(await store.letters("f/1", None, 100), [one for one in listed if one.trigger == "f/1"])
        same(await store.letters(None, kept[3].key, 2), listed[2:4])
        same([await store.letter(one.key) for one in kept], kept)
        same(await store.letter_counts(), {"f/0": 3, "f/1": 2})
        same(await store.saved("f/0"), {"at": 5})
        event = opened.event()
        await store.commit(Batch(accepted=[Acceptance(event=event)], answered=[kept[0].key, kept[4].key, 12345]))
        same(await store.letter_counts(), {"f/0": 1, "f/1": 2})
        same((await store.letter(kept[0].key), await store.event(event.key)), (None, event))

    async def test_the_same_letter_again_changes_nothing(self, opened: Opened) -> None:
        one = letter(opened, "f/0", payload=b"x" * 100_000)
        await opened.store.commit(Batch(letters=[one]))
        await opened.store.commit(Batch(letters=[one]))
        same((await opened.store.letter(one.key), await opened.store.letter_counts()), (one, {"f/0": 1}))

    async def test_any_text_and_any_bytes(self, opened: Opened) -> None:
        kept = [letter(opened, text, reason=text, payload=bytes(range(256))) for text in HARD_TEXTS]
        await opened.store.commit(Batch(letters=kept))
        same([await opened.store.letter(one.key) for one in kept], kept)
        same(sorted(await opened.store.letter_counts()), sorted(HARD_TEXTS))
        same(await opened.store.letters(HARD_TEXTS[-1], None, 1), [Letter(**{**_fields(kept[-1]), "payload": None})])

    async def test_letters_outlive_a_purge(self, opened: Opened) -> None:
        one = letter(opened, "f/0", payload=b"x")
        await opened.store.commit(Batch(letters=[one]))
        opened.clock.time += 365 * 86_400_000
        while await opened.store.purge(opened.clock.time, 100):
            pass
        same(await opened.store.letter(one.key), one)


def letter(opened: Opened, trigger: str, *, reason: str = "no JSON", payload: bytes = b"") -> Letter:
    """A letter of a trigger."""
    return Letter(
        key=opened.ids.next(), trigger=trigger, reason=reason, payload=payload, size=len(payload), more=b'{"a":1}'
    )


def _fields(one: Letter) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}
