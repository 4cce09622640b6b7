"""How many there were lately: sliding windows of instants, one for each key, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from reactor.model.clock import Instant

_FEW = 1_024


class Window:
    """The latest instants of one key."""

    __slots__ = ("per", "times")

    def __init__(self) -> None:
        self.times: deque[Instant] = deque()
        self.per = 0

    def full_until(self, now: Instant, most: int, per: int) -> Instant | None:
        """None when there is room for one more at `now`; else when there will be."""
        self.per = per
        times = self.times
        while times and times[0] <= now - per:
            times.popleft()
        if len(times) < most:
            return None
        return times[len(times) - most] + per

    def add(self, at: Instant, keep: int | None = None) -> None:
        """One more. `keep`: how many are remembered, where not every one that is let in was asked for before."""
        times = self.times
        times.append(at)
        while keep is not None and len(times) > keep:
            times.popleft()

    def over(self, now: Instant) -> bool:
        """Whether nothing in it counts any more."""
        return not self.times or self.times[-1] <= now - self.per


class Windows:
    """Windows by key. Those in which nothing counts any more are forgotten now and then."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self._windows: dict[tuple[str, str, str], Window] = {}
        self._sweep_at = _FEW

    def remember(self, name: tuple[str, str, str], at: Instant, per: int, keep: int | None = None) -> None:
        """One of before the start."""
        window = self.get(*name)
        window.per = per
        window.add(min(at, self._now()), keep)

    def get(self, kind: str, flow: str, key: str) -> Window:
        """The window of this control, flow and key."""
        window = self._windows.get((kind, flow, key))
        if window is None:
            if len(self._windows) >= self._sweep_at:
                self._sweep()
            window = self._windows[kind, flow, key] = Window()
        return window

    def of(self, kind: str, flow: str) -> list[tuple[str, Window]]:
        """(key, window) of this control and flow, the fullest first."""
        found = [(name[2], window) for name, window in self._windows.items() if name[:2] == (kind, flow)]
        return sorted(found, key=lambda each: -len(each[1].times))

    def __len__(self) -> int:
        return len(self._windows)

    def _sweep(self) -> None:
        now = self._now()
        self._windows = {name: window for name, window in self._windows.items() if not window.over(now)}
        self._sweep_at = max(_FEW, 2 * len(self._windows))
