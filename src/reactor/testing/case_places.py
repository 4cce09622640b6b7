"""Where in a file the expectations of a test stand. Asked only for tests that failed."""

from __future__ import annotations

from pathlib import Path

from reactor.language.source import Mapping, Node, Scalar, Sequence, Source
from reactor.language.yaml_events import read
from reactor.model.flow import Flow


class Places:
    """The tests of one file by name."""

    def __init__(self, text: str) -> None:
        document = read(text)
        self._source: Source = document.source
        self._tests: dict[str, Mapping] = {}
        root = document.root
        tests = root.get("tests") if isinstance(root, Mapping) else root
        for item in tests.items if isinstance(tests, Sequence) else ():
            name = item.get("name") if isinstance(item, Mapping) else None
            if isinstance(item, Mapping) and isinstance(name, Scalar):
                self._tests[name.text] = item

    @classmethod
    def of(cls, file: str, flow: Flow) -> Places:
        """Those of a file: that of the flow, which is in memory, or one beside it."""
        if file == flow.file:
            return cls(flow.source)
        try:
            return cls(Path(file).read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError):
            return cls("")

    def line(self, name: str, at: tuple[str | int, ...]) -> int:
        """The line of a place inside a test, or of what around it is there; 0 when there is no such test."""
        node: Node | None = self._tests.get(name)
        if node is None:
            return 0
        start = node.start
        for part in at:
            if isinstance(node, Mapping) and part in node.entries:
                start, node = node.keys[str(part)].start, node.entries[str(part)]
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
                node = node.items[part]
                start = node.start
            else:
                break
        return self._source.place(start)[0]
