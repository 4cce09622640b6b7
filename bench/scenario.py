"""What a scenario is, and what it is given."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.server import Server


@dataclass(frozen=True)
class Spec:
    """One figure: what it is called, what it should be, and what it is a share of."""

    key: str
    text: str
    unit: str
    target: str = ""
    ceiling: str = ""
    """Key of the figure of the same run that it is shown as a share of."""


@dataclass(frozen=True)
class Scenario:
    """One thing to measure."""

    name: str
    title: str
    specs: Sequence[Spec]
    measure: Callable[[Context], Mapping[str, float]]
    """One run: key → value."""
    once: bool = False
    """Long enough to be measured once, whatever `--runs` says."""


@dataclass
class Context:
    """What a run of a scenario has at hand."""

    folder: Path
    quick: bool = False
    hour: bool = False
    number: int = 0
    """Which run this is, from 0."""
    kept: dict[str, object] = field(default_factory=dict)
    """Things that one scenario keeps from one run to the next."""

    @property
    def seconds(self) -> float:
        """How long a load lasts."""
        return 2.0 if self.quick else 6.0

    def size(self, full: int, quick: int) -> int:
        """How many of something."""
        return quick if self.quick else full

    def say(self, text: str) -> None:
        """Progress, for whoever watches."""
        print(f"    {text}", file=sys.stderr, flush=True)

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """A folder that is gone afterwards."""
        path = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def server(
        self, flows: Mapping[str, str], *, settings: Mapping[str, str] | None = None, plugin: bool = True
    ) -> Iterator[Server]:
        """A running server with an empty data folder."""
        with self.fresh() as folder, Server(folder, flows, settings=settings, plugin=plugin) as server:
            yield server


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)
