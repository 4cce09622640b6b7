"""CSV, without guessing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from reactor.connectors.data.actions import TEXT_LIMIT, CsvParams, bounded
from reactor.sdk import PermanentError

ROW_LIMIT = 200_000
"""Rows of one text."""
_FIELD_LIMIT = 1024 * 1024


class Dialect(msgspec.Struct, frozen=True):
    """The two characters that matter."""

    delimiter: str
    quote: str


def parse(text: str, params: CsvParams, dialect: Dialect) -> dict[str, Any]:
    """Rows from text.

    Raises:
        PermanentError: kind `input`, with the number of the line.
    """
    header = params.header
    rows = _rows(bounded("parse", text).removeprefix("\ufeff"), dialect)
    if header is False:
        lists = list(_limited(cells for _, cells in rows))
        return {"output": lists, "columns": None, "row_count": len(lists)}
    columns = next((cells for _, cells in rows), []) if header is True else header
    if len(set(columns)) != len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise PermanentError(
            "input", f"header: there are two columns {twice[:100]!r}; name the columns with `header: […]`"
        )
    maps = list(_limited(_row(line, cells, columns) for line, cells in rows))
    return {"output": maps, "columns": columns, "row_count": len(maps)}


def _rows(text: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise PermanentError("input", f"line {line}: a NUL character; is the text UTF-16, or not text at all?")
    if csv.field_size_limit() < _FIELD_LIMIT:
        csv.field_size_limit(_FIELD_LIMIT)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise PermanentError("input", f"line {reader.line_num}: {error}") from error


def _row(line: int, cells: list[str], columns: list[str]) -> dict[str, str | None]:
    if len(cells) > len(columns):
        raise PermanentError("input", f"line {line}: {len(cells)} cells, but only {len(columns)} columns")
    missing = [None] * (len(columns) - len(cells))
    return dict(zip(columns, [*cells, *missing], strict=True))


def _limited(rows: Iterable[Any]) -> Iterator[Any]:
    for count, row in enumerate(rows):
        if count >= ROW_LIMIT:
            raise PermanentError("input", f"more than {ROW_LIMIT:,} rows; take the text in parts")
        yield row


def format_rows(rows: list[dict[str, Any] | list[Any]], params: CsvParams, dialect: Dialect) -> dict[str, Any]:
    """Text from rows.

    Raises:
        PermanentError: kind `input`: too long, or a row has a column that was not named.
    """
    output = io.StringIO(newline="")
    writer = csv.writer(output, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="\r\n")
    names = _columns(rows, params.columns)
    first = params.header if isinstance(params.header, list) else names
    if params.header is not False and first:
        writer.writerow(first)
    for number, row in enumerate(_limited(rows), 1):
        cells = _cells(number, row, names) if isinstance(row, dict) else row
        writer.writerow([_cell(value) for value in cells])
        if output.tell() > TEXT_LIMIT:
            raise PermanentError("input", f"format: the text would be longer than {TEXT_LIMIT:,} characters")
    return {"output": output.getvalue(), "row_count": len(rows)}


def _columns(rows: list[dict[str, Any] | list[Any]], columns: list[str] | None) -> list[str]:
    if columns is not None:
        return columns
    return list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))


def _cells(number: int, row: dict[str, Any], names: list[str]) -> list[Any]:
    if len(row) > len(names) or not row.keys() <= set(names):
        other = sorted(row.keys() - set(names))
        raise PermanentError("input", f"format: row {number} has {other[0]!r}, which is not in `columns`")
    return [row.get(name) for name in names]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        if "\0" in value:
            raise PermanentError("input", "format: CSV cannot hold a NUL character")
        return value
    return msgspec.json.encode(value).decode()
