"""Reading one delimited text file in pieces of bounded size, as text, without losing a single row."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from wheeltapper.errors import SourceError
from wheeltapper.sources._seen import Tail

SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab", "|": "vertical bar"}
WHITESPACE = "whitespace"
_TAB = "\t"
_BLOCK = 4 << 20


@dataclass(frozen=True)
class Layout:
    """How the files of one source are written."""

    separator: str
    encoding: str
    names: tuple[str, ...] | None
    """The columns of files without a header line; None where the first line names them."""
    skip_lines: int = 0
    """Lines before the header, blank ones included."""
    skip_after_header: int = 0
    """Lines between the header and the first row."""

    @property
    def delimiter(self) -> str:
        """The one character between two fields (runs of blanks are squeezed to one tab first)."""
        return _TAB if self.separator == WHITESPACE else self.separator


@dataclass(frozen=True)
class Chunk:
    """Some consecutive rows of a file."""

    rows: pd.DataFrame
    """The wanted columns as text; missing where the field is empty."""
    defects: pd.Series[str]
    """Why a row could not be split into its fields; empty for all others."""


def header(path: Path, layout: Layout, shown: str) -> list[str]:
    """Return a file's column names, without blanks round them.

    Raises
    ------
    SourceError
        If the file is empty or not text in this encoding, if the separator is wrong, or if ``names`` lists another
        number of columns than the file has.
    """
    first = _first_line(path, layout, shown)
    fields = _split(first, layout)
    if len(fields) == 1:
        _refuse_wrong_separator(first, layout, shown)
    if layout.names is None:
        return [field.strip() for field in fields]
    if len(layout.names) != len(fields):
        raise SourceError(
            f"{shown} has {len(fields)} columns, but names lists {len(layout.names)}; "
            f"its first line is {_short(first)}. List one name for every column, in order."
        )
    return list(layout.names)


def chunks(
    path: Path, layout: Layout, columns: list[str], chunk_rows: int, shown: str, tail: Tail | None = None
) -> Iterator[Chunk]:
    """Yield a file's rows in order, at most ``chunk_rows`` at a time; rows with too many or too few fields included.

    With ``tail`` only its rows are read.

    Raises
    ------
    SourceError
        If the file is not text in this encoding, or no row has the header's number of fields.
    """
    names = header(path, layout, shown)
    bad: list[_BadRow] = []
    seen = 0
    next_number = _lines_above(layout) + 1
    lines_before = 0 if tail is None else tail.lines - _lines_above(layout)
    held: list[pa.RecordBatch] = []
    try:
        reader = _open(path, layout, names, columns, bad, tail)
        for batch in reader:
            held.append(batch)
            while sum(map(len, held)) >= chunk_rows:
                table = pa.Table.from_batches(held)
                chunk, next_number = _merge(
                    table.slice(0, chunk_rows), bad, next_number, names, layout=layout, shown=shown, before=lines_before
                )
                held = table.slice(chunk_rows).to_batches()
                seen += chunk_rows
                yield chunk
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise SourceError(_in_words(error, layout, shown)) from error
    table = pa.Table.from_batches(held, schema=reader.schema)
    if bad and seen + len(table) == 0 and tail is None:
        raise SourceError(
            f"{shown}: no row has the {bad[0].expected} fields of {list(names)}; the first is {_short(bad[0].text)}. "
            "Check separator, header and names."
        )
    chunk, _ = _merge(table, bad, next_number, names, layout=layout, shown=shown, before=lines_before, is_last=True)
    if len(chunk.rows):
        yield chunk


@dataclass(frozen=True)
class _BadRow:
    """A row that has too many or too few fields."""

    number: int
    """Its place in the file; the first line is 1, blank lines below the header are not counted."""
    expected: int
    actual: int
    text: str


def _open(
    path: Path, layout: Layout, names: list[str], columns: list[str], bad: list[_BadRow], tail: Tail | None
) -> Any:
    """Open pyarrow's streaming reader; every column is text, and bad rows are collected, not dropped."""

    def collect(row: Any) -> str:
        bad.append(_BadRow(row.number, row.expected_columns, row.actual_columns, row.text))
        return "skip"

    stream: Any = pa.input_stream(str(path), compression="detect")
    if tail is not None:
        stream = pa.PythonFile(_HeadAndTail(stream, layout, tail.offset), mode="r")
    if layout.separator == WHITESPACE:
        stream = pa.PythonFile(_Squeezed(stream), mode="r")
    unique = [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names)]
    return pa_csv.open_csv(
        stream,
        read_options=pa_csv.ReadOptions(
            use_threads=False,  # threads lose the number of a bad row
            block_size=_BLOCK,
            encoding=layout.encoding,
            column_names=unique,
            skip_rows=layout.skip_lines,
            skip_rows_after_names=_lines_above(layout) - layout.skip_lines,
        ),
        parse_options=pa_csv.ParseOptions(delimiter=layout.delimiter, invalid_row_handler=collect),
        convert_options=pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in unique},
            include_columns=columns,
            strings_can_be_null=True,
            null_values=[""],
        ),
    )


def _lines_above(layout: Layout) -> int:
    """Return how many lines stand above the first row."""
    return layout.skip_lines + (0 if layout.names else 1) + layout.skip_after_header


def _merge(
    table: pa.Table,
    bad: list[_BadRow],
    first: int,
    names: list[str],
    *,
    layout: Layout,
    shown: str,
    before: int,
    is_last: bool = False,
) -> tuple[Chunk, int]:
    """Put the bad rows back where they stood among the good ones; return the chunk and the next row's number."""
    good = len(table)
    numbers = np.arange(first, first + good + len(bad))
    good_numbers = np.setdiff1d(numbers, [row.number for row in bad])[:good]
    following = int(good_numbers[-1]) + 1 if good else first
    here = [row for row in bad if is_last or row.number < following]
    bad[:] = bad[len(here) :]
    rows = table.to_pandas().astype("str")
    defects = pd.Series("", index=rows.index, dtype="str")
    if here:
        fields = pd.DataFrame([_fields(row, names, layout) for row in here], columns=list(rows.columns), dtype="str")
        why = pd.Series([_defect(row, shown, before) for row in here], dtype="str")
        order = np.argsort(np.concatenate([good_numbers, [row.number for row in here]]), kind="stable")
        rows = pd.concat([rows, fields], ignore_index=True).iloc[order].reset_index(drop=True)
        defects = pd.concat([defects, why], ignore_index=True).iloc[order].reset_index(drop=True)
        following = max(following, here[-1].number + 1)
    return Chunk(rows, defects), following


def _fields(row: _BadRow, names: list[str], layout: Layout) -> dict[str, str | None]:
    """Split a bad row as far as it goes, so that people recognise it."""
    fields = _split(row.text.replace("\r", "").replace("\n", " "), layout)
    return {name: value or None for name, value in zip(names, fields, strict=False)}


def _split(line: str, layout: Layout) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=layout.delimiter), [])
    except csv.Error:  # a field of more than 131 072 letters
        return line.split(layout.delimiter)


def _defect(row: _BadRow, shown: str, before: int) -> str:
    """Describe a bad row; ``before`` lines of the file were not read."""
    return f"row {row.number + before} of {shown} has {row.actual} fields instead of {row.expected}: {_short(row.text)}"


def _short(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 120 else text[:117] + "…")


def _first_line(path: Path, layout: Layout, shown: str) -> str:
    """Read the first line that is not blank."""
    try:
        with pa.input_stream(str(path), compression="detect") as raw:
            lines = io.TextIOWrapper(io.BufferedReader(raw), encoding=layout.encoding, newline=None)
            for line in itertools.islice(lines, layout.skip_lines, None):
                text = line.lstrip("\ufeff").rstrip("\r\n")
                if text.strip():
                    return _TAB.join(text.split()) if layout.separator == WHITESPACE else text
    except UnicodeError as error:
        raise SourceError(_in_words(error, layout, shown)) from error
    except OSError as error:
        raise SourceError(f"{shown} cannot be opened: {error}") from error
    below = f" below its first {layout.skip_lines} lines" if layout.skip_lines else ""
    raise SourceError(f"{shown} is empty{below}. Remove it, or choose other files in the source.")


def _refuse_wrong_separator(first: str, layout: Layout, shown: str) -> None:
    """Refuse a single column that holds another separator: it was split at the wrong one."""
    counts = {sep: first.count(sep) for sep in SEPARATORS if sep != layout.separator}
    likely, count = max(counts.items(), key=lambda item: item[1])
    if count:
        written = repr(likely)[1:-1]
        raise SourceError(
            f'{shown} has a single column with separator "{layout.separator}", but its first line holds {count} × '
            f'"{written}" ({SEPARATORS[likely]}): {_short(first)}. Set separator: "{written}" in the source.'
        )
    if layout.separator != WHITESPACE and layout.names is not None and len(first.split()) > 1:
        raise SourceError(
            f'{shown} has a single column with separator "{layout.separator}", but its first line holds blanks: '
            f"{_short(first)}. Set separator: {WHITESPACE} in the source."
        )


def _in_words(error: Exception, layout: Layout, shown: str) -> str:
    """Say in one line why a file could not be read."""
    text = str(error).replace("\n", " ")
    if isinstance(error, UnicodeError) or "UTF8" in text:
        return (
            f"{shown} is not text in encoding {layout.encoding} ({text}). "
            "Set encoding in the source: latin-1, cp1252 and utf-16 are common."
        )
    if "straddl" in text:
        return (
            f"{shown} has a row of more than {_BLOCK >> 20} MB, or a quotation mark that is never closed. "
            "Mend the file, or leave it out in files."
        )
    return f"{shown} cannot be read: {text}"


class _HeadAndTail(io.RawIOBase):
    """A file from its header to the first row, and then from an offset to its end."""

    def __init__(self, stream: Any, layout: Layout, offset: int) -> None:
        self._stream = stream
        self._head = b"".join(self._lines_above_rows(layout))
        self._stream.seek(offset)

    def _lines_above_rows(self, layout: Layout) -> Iterator[bytes]:
        """Yield the lines above the first row, blank ones above the header included."""
        lines = io.BufferedReader(self._stream)
        yield from itertools.islice(lines, layout.skip_lines)
        if layout.names is None:
            for line in lines:
                yield line
                if line.strip():
                    break
        yield from itertools.islice(lines, layout.skip_after_header)
        lines.detach()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        if self._head:
            size = len(self._head) if size is None or size < 0 else size
            out, self._head = self._head[:size], self._head[size:]
            return out
        block: bytes = self._stream.read(size if size and size > 0 else _BLOCK)
        return block


class _Squeezed(io.RawIOBase):
    """A stream in which every run of blanks is one tab, and no line begins or ends with one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._rest = b""
        self._ready = b""
        self._is_done = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        while not self._ready and not self._is_done:
            block = self._stream.read(_BLOCK)
            self._is_done = not block
            *lines, self._rest = (self._rest + (block or b"\n")).split(b"\n")
            self._ready = b"".join(b"\t".join(line.split()) + b"\n" for line in lines)
        size = len(self._ready) if size is None or size < 0 else size
        out, self._ready = self._ready[:size], self._ready[size:]
        return out
