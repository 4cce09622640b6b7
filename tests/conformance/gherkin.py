"""A small reader of Gherkin: features, scenarios, steps with their doc strings. No outlines, tables or backgrounds."""

import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

_STEP = re.compile(r"(?:Given|When|Then|And|But)\s+(.*)")


@dataclass
class Step:
    text: str
    doc: str | None = None


@dataclass
class Scenario:
    feature: str
    name: str
    steps: list[Step] = field(default_factory=list)


def read(path: Path) -> list[Scenario]:
    feature, scenarios = path.stem, list[Scenario]()
    doc: list[str] | None = None
    for line in path.read_text("utf-8").splitlines():
        bare = line.strip()
        if bare.startswith('"""'):
            if doc is None:
                doc = []
            else:
                scenarios[-1].steps[-1].doc = textwrap.dedent("\n".join(doc))
                doc = None
        elif doc is not None:
            doc.append(line)
        elif bare.startswith("Feature:"):
            feature = bare.partition(":")[2].strip()
        elif bare.startswith("Scenario:"):
            scenarios.append(Scenario(feature, bare.partition(":")[2].strip()))
        elif scenarios and (match := _STEP.match(bare)):
            scenarios[-1].steps.append(Step(match[1].removeprefix("given ").strip()))
        elif scenarios and bare and not bare.startswith("#"):
            raise ValueError(f"{path.name}: {bare!r} is no Gherkin that is read here")
    if doc is not None:
        raise ValueError(f"{path.name}: a doc string does not end")
    return scenarios
