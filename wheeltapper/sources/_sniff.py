"""How an unknown text file is probably written: its letters, its separator, where its table begins, its numbers."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from wheeltapper.sources._csv import WHITESPACE

_SAMPLE = 1 << 20
_MOST_LINES = 5000
_DATE = re.compile(r"^\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(\D.*)?$")
_CLOCK = re.compile(r"^\s*\d{1,2}:\d{2}(:\d{2})?.*$")
_NUMBER = re.compile(r"^\s*[+-]?[\d.,'\u2019 \u00a0\u202f]*\d[\d.,]*([eE][+-]?\d+)?\s*$")
_NO_VALUE = {"", "nan", "null", "na", "n/a", "none", "-", "--", "?"}
_MAGIC = {
    b"PK\x03\x04": "an Excel workbook or a zip file: save its sheet as CSV",
    b"PAR1": "a parquet file: use source: parquet",
    b"SQLite format 3": "an SQLite database: use source: sql, with url: sqlite:///FILE and table",
}


@dataclass(frozen=True)
class Sniffed:
    """What the first megabyte of a file looks like."""

    encoding: str
    separator: str
    skip_lines: int
    has_header: bool
    skip_after_header: int
    names: tuple[str, ...]
    """The header's names; made up (column_1, …) where there is none."""
    units: tuple[str, ...]
    """What stands below the names in the lines that are skipped; empty if there are none."""
    rows: list[list[str]]
    """Rows below, as text; each has as many fields as there are names."""
    decimal: str
    thousands: str | None

    def column(self, name: str) -> list[str]:
        """Return the fields of a column that are not empty."""
        at = self.names.index(name)
        return [row[at].strip() for row in self.rows if not is_missing(row[at])]


def is_missing(field: str) -> bool:
    """Tell whether a field says that there is no value."""
    return field.strip().lower() in _NO_VALUE


def is_number(field: str) -> bool:
    """Tell whether a field may be a number, with any marks; a date is none."""
    return _NUMBER.match(field) is not None and _DATE.match(field) is None


def is_time(field: str) -> bool:
    """Tell whether a field looks like a date or a time of day."""
    return _DATE.match(field) is not None or _CLOCK.match(field) is not None


def no_table(path: Path) -> str:
    """Return a description of a file that is not text; empty for text."""
    with path.open("rb") as file:
        head = file.read(16)
    return next((description for magic, description in _MAGIC.items() if head.startswith(magic)), "")


def sniff(path: Path) -> Sniffed | None:
    """Look at a file's beginning; None if there is no table in it.

    Raises
    ------
    OSError
        If it cannot be read or unpacked.
    """
    with pa.input_stream(str(path), compression="detect") as stream:
        sample = _read(stream, _SAMPLE)
    encoding = _encoding(path, sample)
    text = sample.decode(encoding, errors="ignore").lstrip("\ufeff")
    lines = text.splitlines()
    if len(sample) == _SAMPLE:
        lines = lines[:-1]  # it may be cut
    lines = lines[:_MOST_LINES]
    separator = _separator([line for line in lines if line.strip()])
    table = [_split(line, separator) for line in lines]
    return _table(table, encoding, separator)


def _read(stream: Any, size: int) -> bytes:
    """Read so many bytes, or all there are: packed streams hand over less at a time."""
    parts, left = [], size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _encoding(path: Path, sample: bytes) -> str:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    nulls = [sample[start::2].count(0) / max(1, len(sample) // 2) for start in (0, 1)]
    if max(nulls) > 0.3:
        return "utf-16-le" if nulls[1] > nulls[0] else "utf-16-be"
    if _is_utf8(path):
        return "utf-8"
    # The two differ in 0x80 to 0x9f alone: quotation marks and the euro sign, or control characters.
    return "cp1252" if re.search(rb"[\x80-\x9f]", sample) else "latin-1"


def _is_utf8(path: Path) -> bool:
    """Read the whole file: an umlaut may stand in its last line."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            while block := stream.read(1 << 22):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _split(line: str, separator: str) -> list[str]:
    if separator == WHITESPACE:
        return line.split()
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def _separator(lines: list[str]) -> str:
    """Return the separator that splits nearly all lines into the same number of fields, the rarer one first."""
    body = lines[len(lines) // 5 :]
    for separator in ("\t", ";", "|", ",", WHITESPACE):
        count, seen = Counter(len(_split(line, separator)) for line in body).most_common(1)[0] if body else (1, 0)
        if count > 1 and seen >= 0.9 * len(body):
            return separator
    return ","


def _table(table: list[list[str]], encoding: str, separator: str) -> Sniffed | None:
    """Find the header and the first row."""
    counts = Counter(len(fields) for fields in table if fields)
    if not counts:
        return None
    width = counts.most_common(1)[0][0]
    fitting = [at for at, fields in enumerate(table) if len(fields) == width]
    kinds = [_kind([table[at][column] for at in fitting[len(fitting) // 5 :]]) for column in range(width)]
    first = next((at for at in fitting if _is_row(table[at], kinds)), None)
    if first is None:
        return None
    above = [at for at in fitting if at < first]
    header = next((at for at in above if _is_header(table[at])), None)
    names = [field.strip() for field in table[header]] if header is not None else []
    units = [field.strip() for field in table[above[-1]]] if header is not None and above[-1] != header else []
    rows = [table[at] for at in fitting if at >= first]
    decimal, thousands = _marks([field for row in rows for field in row if is_number(field)], separator)
    return Sniffed(
        encoding=encoding,
        separator=separator,
        skip_lines=first if header is None else header,
        has_header=header is not None,
        skip_after_header=0 if header is None else sum(1 for fields in table[header + 1 : first] if fields),
        names=tuple(names or (f"column_{place}" for place in range(1, width + 1))),
        units=tuple(units),
        rows=rows,
        decimal=decimal,
        thousands=thousands,
    )


def _kind(fields: list[str]) -> str:
    """Return what most fields of a column are: time, number, text or nothing."""
    filled = [field for field in fields if not is_missing(field)]
    if not filled:
        return "nothing"
    for kind, fits in (("time", is_time), ("number", is_number)):
        if sum(map(fits, filled)) > 0.5 * len(filled):
            return kind
    return "text"


def _is_row(fields: list[str], kinds: list[str]) -> bool:
    """Tell whether a line is a row of the table: every field is of its column's kind, and not all are words."""
    fits = {"time": is_time, "number": is_number}
    typed = [(field, fits[kind]) for field, kind in zip(fields, kinds, strict=True) if kind in fits]
    filled = [(field, fit) for field, fit in typed if not is_missing(field)]
    return bool(filled) and all(fit(field) for field, fit in filled)


def _is_header(fields: list[str]) -> bool:
    named = [field.strip() for field in fields if field.strip()]
    return len(named) >= 0.7 * len(fields) and len(set(named)) == len(named) and not any(map(is_number, named))


def _marks(fields: list[str], separator: str) -> tuple[str, str | None]:
    """Return decimal mark and thousands' mark, by the fields in which they cannot mean anything else."""
    clear = {mark: sum(_is_decimal(field, mark) for field in fields) for mark in (".", ",")}
    decimal = max(clear, key=lambda mark: clear[mark])
    if not any(clear.values()):
        decimal = "," if separator == ";" and any("," in field for field in fields) else "."
    for thousands in (mark for mark in (",", ".", "'", " ") if mark != decimal):
        same = {"'": "['\u2019]", " ": "[ \u00a0\u202f]"}.get(thousands, re.escape(thousands))
        grouped = re.compile(rf"^\s*[+-]?\d{{1,3}}({same}\d{{3}})+({re.escape(decimal)}\d*)?\s*$")
        if any(map(grouped.match, fields)):
            return decimal, thousands
    return decimal, None


def _is_decimal(field: str, mark: str) -> bool:
    """Tell whether a mark in a number is surely the decimal one: it comes last, once, and no group of three follows."""
    other = {".": ",", ",": "."}[mark]
    before, separator, after = field.strip().rpartition(mark)
    if not separator or mark in before or other in after:
        return False
    return other in before or len(re.sub(r"[eE].*", "", after)) != 3 or len(before.lstrip("+-")) > 3
