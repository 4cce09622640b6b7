"""Go's template syntax as tokens, and how Go's spelling is told from ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn


class GoSyntaxError(Exception):
    """A Go template that cannot be read; `offset` is the character in the whole text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(slots=True)
class Piece:
    """A stretch of text, or what stands between `{{` and `}}`."""

    value: str
    offset: int
    action: bool


@dataclass(slots=True, frozen=True)
class Token:
    """`kind`: field, dot, variable, name, number, text, `(`, `)`, `|`, `,`, `:=`, `=` or other."""

    kind: str
    value: str
    offset: int
    glued: bool
    """Nothing stands between it and the token before."""


KEYWORDS = frozenset({"if", "else", "end", "range", "with", "break", "continue", "define", "template", "block"})
FUNCTIONS = frozenset(
    [
        "and",
        "or",
        "not",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "len",
        "index",
        "default",
        "printf",
        "print",
        "println",
        "quote",
        "upper",
        "lower",
        "title",
        "trim",
        "join",
        "toJson",
        "fromJson",
        "urlquery",
        "html",
        "replace",
        "contains",
        "hasPrefix",
        "hasSuffix",
        "add",
        "sub",
        "mul",
        "div",
        "mod",
        "int",
        "float64",
        "toString",
        "ternary",
        "coalesce",
        "empty",
        "list",
        "now",
    ]
)
"""What Go templates may call by name: Go's own, and the common ones of Sprig."""
_WORDS = frozenset({"and", "or", "not"})
_ENDS_OPERAND = frozenset({"field", "dot", "variable", "name", "number", "text", ")"})


def split(text: str) -> list[Piece]:
    """The texts and actions in order; comments gone, white space trimmed where `{{-` and `-}}` say so.

    Raises:
        GoSyntaxError: an action does not end.
    """
    pieces: list[Piece] = []
    at, trim = 0, False
    while True:
        start = text.find("{{", at)
        literal = text[at:] if start < 0 else text[at:start]
        inner = start + 2
        trims_left = start >= 0 and text.startswith("-", inner) and not text[inner + 1 : inner + 2].isdigit()
        shown = literal.lstrip() if trim else literal
        pieces.append(Piece(shown.rstrip() if trims_left else shown, at, action=False))
        if start < 0:
            return [piece for piece in pieces if piece.value or piece.action]
        inner += trims_left
        end = _action_end(text, inner)
        value = text[inner:end]
        trim = value.endswith("-")
        value = value[:-1] if trim else value
        if not value.strip().startswith("/*"):
            pieces.append(Piece(value, inner, action=True))
        at = end + 2


def _action_end(text: str, at: int) -> int:
    """Where the `}}` of the action stands whose inside begins at `at`."""
    begin, depth = at, 0
    if text[at:].lstrip().startswith("/*"):
        close = text.find("*/", at)
        end = text.find("}}", close) if close >= 0 else -1
        if end < 0:
            raise GoSyntaxError("the comment does not end", at)
        return end
    while at < len(text):
        char = text[at]
        if char in "\"'`":
            at = _text_end(text, at)
            continue
        if depth == 0 and text.startswith("}}", at):
            return at
        depth += (char == "{") - (char == "}" and depth > 0)
        at += 1
    raise GoSyntaxError("`{{` without `}}`", begin - 2)


def _text_end(text: str, at: int) -> int:
    """Behind the string that begins at `at`."""
    quote, start = text[at], at
    at += 1
    while at < len(text):
        if text[at] == "\\" and quote != "`":
            at += 2
            continue
        if text[at] == quote:
            return at + 1
        at += 1
    raise GoSyntaxError("a quote does not end", start)


def tokens(piece: Piece) -> list[Token]:
    """What stands inside an action. What Go does not know becomes tokens of kind `other`.

    Raises:
        GoSyntaxError: a string does not end.
    """
    found: list[Token] = []
    source, at = piece.value, 0
    glued = False
    while at < len(source):
        if source[at].isspace():
            at, glued = at + 1, False
            continue
        kind, end = _scan(source, at, piece.offset, after_operand=glued and found[-1].kind in _ENDS_OPERAND)
        found.append(Token(kind, source[at:end], piece.offset + at, glued))
        at, glued = end, True
    return found


def _scan(source: str, at: int, base: int, *, after_operand: bool) -> tuple[str, int]:
    """The kind of the token that begins here, and where it ends."""
    char, following = source[at], source[at + 1 : at + 2]
    if char in "\"'`":
        try:
            return "text", _text_end(source, at)
        except GoSyntaxError as error:
            raise GoSyntaxError(error.message, base + error.offset) from None
    if char == "$" or _starts_word(char):
        return "variable" if char == "$" else "name", _word_end(source, at + 1)
    if char == "." and _starts_word(following):
        return "field", _word_end(source, at + 1)
    if char.isdigit() or (char in "+-." and following.isdigit() and not after_operand):
        return "number", _number_end(source, at + 1)
    if char == ".":
        return "dot", at + 1
    return _sign(source, at)


def _sign(source: str, at: int) -> tuple[str, int]:
    pair, char = source[at : at + 2], source[at]
    if pair == ":=":
        return ":=", at + 2
    if pair in {"==", "!=", "<=", ">=", "&&", "||"}:
        return "other", at + 2
    return char if char in "()|,=" else "other", at + 1


def _starts_word(char: str) -> bool:
    return char.isalpha() or char == "_"


def _word_end(source: str, at: int) -> int:
    while at < len(source) and (source[at].isalnum() or source[at] == "_"):
        at += 1
    return at


def _number_end(source: str, at: int) -> int:
    while at < len(source) and (
        source[at].isalnum() or source[at] in "._" or (source[at] in "+-" and source[at - 1] in "eE")
    ):
        at += 1
    return at


def is_go(text: str, *, legacy: bool = False) -> bool:
    """Whether a text is written in Go's spelling: one sure sign in one of its actions decides.

    Sure signs are what ours cannot mean: a leading dot (`.event`), `$x`, back quotes, `:=`, a comment `/* */`, `if`,
    `range` or `with` at the start of `{{ }}`, a function of Go's before its arguments (`eq "a" "b"`). In a file of the
    older engine a lone `{{ now }}` is Go's too.
    """
    if "{{" not in text:
        return False
    try:
        return any(_has_sign(tokens(piece), legacy=legacy) for piece in split(text) if piece.action) or _has_comment(
            text
        )
    except GoSyntaxError:
        return False


def is_go_expression(text: str) -> bool:
    """The same for a bare expression, `eq .event.type "x"`."""
    try:
        return _has_sign(tokens(Piece(text, 0, action=True)), legacy=False)
    except GoSyntaxError:
        return False


def _has_comment(text: str) -> bool:
    return "{{/*" in text or "{{- /*" in text


def _has_sign(found: list[Token], *, legacy: bool) -> bool:
    if legacy and len(found) == 1 and found[0].value == "now":
        return True
    for index, token in enumerate(found):
        before = found[index - 1] if index else None
        after = found[index + 1] if index + 1 < len(found) else None
        if token.kind in {"variable", ":="} or (token.kind == "text" and token.value[0] == "`"):
            return True
        if token.kind in {"field", "dot"} and _begins_operand(token, before):
            return True
        if before is None and token.value in {"if", "range", "with"} and after is not None and _is_operand(after):
            return True
        if _calls(token, before, after):
            return True
    return False


def _is_operand(token: Token) -> bool:
    return token.kind in _ENDS_OPERAND - {")"} and token.value not in {"in", "is", "and", "or"} and not token.glued


def _begins_operand(token: Token, before: Token | None) -> bool:
    """A dot that follows nothing it could look into."""
    if before is None or before.kind in {"(", "|", ","}:
        return True
    if before.kind == "other":
        return before.value not in {"]", "}"}
    if token.glued:
        return False
    return before.value in FUNCTIONS or before.value in KEYWORDS or before.kind in {"field", "text", "number"}


def _calls(token: Token, before: Token | None, after: Token | None) -> bool:
    """A function in front of its first argument, where ours would have an operator or a bracket."""
    if token.kind != "name" or token.value not in FUNCTIONS - _WORDS or after is None or after.glued:
        return False
    return (before is None or before.kind in {"(", "|"}) and after.kind in {"text", "number"}


def refuse(message: str, token: Token | Piece) -> NoReturn:
    """Say what is wrong at this place.

    Raises:
        GoSyntaxError: always.
    """
    raise GoSyntaxError(message, token.offset)
