"""Reading a command line as `sh` does (POSIX 2.2, 2.3), just far enough to know in which quotes each place stands.

Where that cannot be told for certain, everything behind the place is refused to values: a refusal too many costs a word
of advice, a quote misread would turn data into code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

BARE, SINGLE, DOUBLE = "bare", "single", "double"
_SUBST, _BACK, _PARAM, _ARITH, _COMMENT = "subst", "back", "param", "arith", "comment"
_INSIDE = {
    _SUBST: "inside $( )",
    _BACK: "inside back quotes",
    _PARAM: "inside ${ }",
    _ARITH: "inside $(( ))",
    _COMMENT: "in a comment",
}
_SHELLS = frozenset(["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "busybox", "su"])
_JOINING = frozenset({"eval", "ssh"})
"""Their arguments are joined and read as code again."""
_CODE = frozenset({"eval", "next"})
_MOST_TRACKS = 32
_LONGEST_WORD = 64
_VALUE = "\0"

Track = tuple[str, str]
"""The word so far, and what the words before it mean: "", shell, argument, next (the next word is code), eval, done."""


@dataclass(slots=True)
class Cursor:
    """What is known at one place of a command line."""

    stack: tuple[tuple[str, int], ...] = ((BARE, 0),)
    """Quotes and substitutions that are open, each with its depth of brackets."""
    escape: bool = False
    """Right behind a backslash."""
    pending: str = ""
    """`$`, `$(` or `<`: what comes next decides."""
    in_word: bool | None = False
    """None: it depends on a branch."""
    doubt: str = ""
    """From here on nothing is certain, and why."""
    tracks: frozenset[Track] = frozenset({("", "")})
    recent: str = ""
    """The word so far inside $( )."""

    @property
    def state(self) -> str:
        """The innermost quotes."""
        return self.stack[-1][0]

    def copy(self) -> Cursor:
        """Another that goes its own way."""
        return replace(self)

    def agrees(self, other: Cursor) -> bool:
        """Whether quotes are open alike in both."""
        return (self.stack, self.escape, self.pending) == (other.stack, other.escape, other.pending)

    def merged(self, other: Cursor) -> Cursor:
        """What is known behind two branches that agree."""
        tracks = self.tracks | other.tracks
        unclear = len(tracks) > _MOST_TRACKS or self.recent != other.recent
        doubt = self.doubt or other.doubt or ("behind branches that differ so much" if unclear else "")
        in_word = self.in_word if self.in_word == other.in_word else None
        return replace(
            self, in_word=in_word, doubt=doubt, tracks=tracks if len(tracks) <= _MOST_TRACKS else self.tracks
        )

    def problem(self) -> str:
        """Why no value may stand here; empty when it may."""
        if self.doubt:
            return self.doubt
        for kind, _ in self.stack:
            if kind in _INSIDE:
                return _INSIDE[kind]
        if self.escape:
            return "right behind a backslash"
        if self.pending == "$(":
            return _INSIDE[_SUBST]
        if self.pending == "$" and self.state == BARE:
            return "right behind a `$`"
        if any(code in _CODE for _, code in self.tracks):
            return "in code that `eval`, `sh -c`, `su -c`, `ssh` or `trap` runs"
        return ""

    def value(self) -> None:
        """A value stands here."""
        self.pending = ""
        self.in_word = True
        self._extend(_VALUE)

    def read(self, text: str) -> None:
        """Go over literal text."""
        for char in text:
            self._char(char)

    # ---- one character

    def _char(self, char: str) -> None:
        kind = self.state
        if kind in {SINGLE, _COMMENT}:
            self._verbatim(char)
        elif self.escape:
            self.escape = False
            if not (kind == BARE and char == "\n"):
                self._literal(char)
        elif char == "\\":
            self.escape = True
            if kind in {_PARAM, _ARITH}:
                self._doubt("behind a ${…} or $((…)) that holds quotes")
        elif self.pending and self._decided(char):
            return
        else:
            # What was decided may have opened something.
            {_BACK: self._back, _PARAM: self._param, _ARITH: self._arith, DOUBLE: self._double}.get(
                self.state, self._bare
            )(char)

    def _verbatim(self, char: str) -> None:
        if self.state == SINGLE:
            if char == "'":
                self._pop()
            else:
                self._extend(char)
        elif char == "\n":
            self._pop()
            self._command_end()

    def _back(self, char: str) -> None:
        if char == "`":
            self._pop()

    def _decided(self, char: str) -> bool:
        """What stood open before this character; whether that took the character with it."""
        pending, self.pending = self.pending, ""
        if pending == "<":
            if char == "<":
                self._doubt("behind a here-document (`<<`)")
            return False
        if pending == "$(":
            if char == "(":
                self._push(_ARITH, 2)
                return True
            self._push(_SUBST, 1)
            self.in_word = False
            return False
        if char == "(":
            self.pending = "$("
            return True
        if char == "{":
            self._push(_PARAM, 1)
            return True
        if char in "'\"" and self.state in {BARE, _SUBST}:
            self._doubt("behind `$'…'` or `$\"…\"`, which shells read differently")
        return char == "$"

    def _double(self, char: str) -> None:
        if char == '"':
            self._pop()
        elif char == "$":
            self.pending = "$"
        elif char == "`":
            self._push(_BACK, 0)
        else:
            self._extend(char)

    def _param(self, char: str) -> None:
        if char == "}":
            self._pop()
        elif char in "'\"`$({":
            self._doubt("behind a ${…} that holds quotes or another substitution")

    def _arith(self, char: str) -> None:
        if char in "'\"`{":
            self._doubt("behind a $((…)) that holds quotes")
        elif char in "()":
            self._nest(char)

    def _bare(self, char: str) -> None:
        if char == "'":
            self._push(SINGLE, 0)
        elif char == '"':
            self._push(DOUBLE, 0)
        elif char == "`":
            self._push(_BACK, 0)
        elif char in "$<":
            self.pending = char
            if char == "<":
                self._word_end()
            else:
                self._literal(char)
        elif char in " \t>":
            self._word_end()
        elif char in "\n;&|()":
            self._command_end()
            if self.state == _SUBST and char in "()":
                self._nest(char)
        elif char == "#" and self.in_word is not True:
            self._comment()
        else:
            self._literal(char)

    def _comment(self) -> None:
        if self.in_word is None or self.state == _SUBST:
            self._doubt("behind a `#` that may begin a comment")
        else:
            self._push(_COMMENT, 0)

    def _nest(self, char: str) -> None:
        kind, depth = self.stack[-1]
        depth += 1 if char == "(" else -1
        if depth:
            self.stack = (*self.stack[:-1], (kind, depth))
        else:
            self._pop()

    # ---- words

    def _literal(self, char: str) -> None:
        self.in_word = True
        self._extend(char)

    def _extend(self, char: str) -> None:
        if self._in_subst():
            self.recent = (self.recent + char)[-8:]
            return
        self.tracks = frozenset(
            (word + char if len(word) < _LONGEST_WORD else word, code) for word, code in self.tracks
        )

    def _word_end(self) -> None:
        self.in_word = False
        if self._in_subst():
            if self.recent == "case":
                # Its patterns have brackets that close nothing.
                self._doubt("behind a $( ) with `case` in it")
            self.recent = ""
        else:
            self.tracks = frozenset(_after(word, code) for word, code in self.tracks)

    def _in_subst(self) -> bool:
        return any(kind == _SUBST for kind, _ in self.stack)

    def _command_end(self) -> None:
        self._word_end()
        if not self._in_subst():
            self.tracks = frozenset({("", "")})

    # ---- frames

    def _push(self, kind: str, depth: int) -> None:
        self.stack = (*self.stack, (kind, depth))
        if kind != _COMMENT:
            self.in_word = True

    def _pop(self) -> None:
        self.stack = self.stack[:-1]
        if not self.stack:
            self.stack = ((BARE, 0),)

    def _doubt(self, reason: str) -> None:
        self.doubt = self.doubt or reason


def _after(word: str, code: str) -> Track:
    """What a finished word means for those behind it."""
    if not word:
        return "", code
    name = word.rsplit("/", 1)[-1]
    if name in _JOINING:
        return "", "eval"
    if name == "trap":
        return "", "next"
    if code == "next":
        return "", "done"
    if name in _SHELLS or code == "argument":
        return "", "shell"
    return "", _after_shell(word) if code == "shell" else code


def _after_shell(word: str) -> str:
    """What an argument of a shell means for those behind it."""
    if _VALUE in word:
        return "eval"  # it may be `-c` itself
    if word[0] not in "-+":
        return "done"
    if "c" in word and not word.startswith("--"):
        return "next"
    return "argument" if word[-1] in "oO" or word in {"--rcfile", "--init-file"} else "shell"
