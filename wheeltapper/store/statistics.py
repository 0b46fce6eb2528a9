"""What the log records of each file's assets: rows, first and last time; no data file is read for it.

Files that an earlier release wrote, and files of very many assets, lack it: their key columns are read instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from wheeltapper.errors import StoreError
from wheeltapper.store import files
from wheeltapper.store.files import File, Span
from wheeltapper.store.layout import is_cut
from wheeltapper.tables import Table, microseconds

MOST_ASSETS = 2_000
"""Assets of one file that the log lists (about 100 kB of text); with more of them, key columns are read when needed."""

ASSET = "asset_id"


def of_rows(table: Table, rows: pd.DataFrame) -> tuple[int | None, int | None, dict[str, Span] | None]:
    """Return what the log records of a file's rows: first time, last time (microseconds), and the span of each asset.

    All are None for a table that is not cut by time; the last one also without assets, or with too many.
    """
    if not is_cut(table):
        return None, None, None
    times = microseconds(rows[str(table.time)])
    return int(times.min()), int(times.max()), _listed(table, rows)


def _listed(table: Table, rows: pd.DataFrame) -> dict[str, Span] | None:
    if ASSET not in rows or rows[ASSET].nunique() > MOST_ASSETS or rows[ASSET].isna().any():
        return None
    return _spans(table, rows)


def _spans(table: Table, rows: pd.DataFrame) -> dict[str, Span]:
    codes, names = pd.factorize(rows[ASSET], sort=True)
    order = np.argsort(codes, kind="stable")
    times = microseconds(rows[str(table.time)])[order]
    counts = np.bincount(codes, minlength=len(names))
    begins = np.cumsum(counts) - counts
    firsts, lasts = np.minimum.reduceat(times, begins), np.maximum.reduceat(times, begins)
    figures = zip(names, counts.tolist(), firsts.tolist(), lasts.tolist(), strict=True)
    return {str(name): Span(count, first, last) for name, count, first, last in figures}


def may_share_a_key(table: Table, file: File, keys: pd.DataFrame) -> bool:
    """Say from the log alone whether a file can hold one of these keys."""
    if file.first is None or file.last is None or keys.empty:
        return not keys.empty
    times = microseconds(keys[str(table.time)])
    is_inside = (times >= file.first) & (times <= file.last)
    if not is_inside.any() or file.assets is None or ASSET not in table.key:
        return bool(is_inside.any())
    for name, span in _spans(table, keys[is_inside]).items():
        span_in_file = file.assets.get(name)
        if span_in_file and span.first <= span_in_file.last and span_in_file.first <= span.last:
            return True
    return False


def require_statistics(table: Table) -> None:
    """Require that a table has assets and a time.

    Raises
    ------
    StoreError
    """
    if ASSET not in table.names() or not is_cut(table):
        raise StoreError(f"table {table.name} has no assets with a time in its key; read it and count in the frame.")


def per_asset(table: Table, folder: Path, live: Iterable[File]) -> dict[str, Span]:
    """Return the span of each asset over some files, sorted by name; key columns are read where the log has none."""
    total: dict[str, Span] = {}
    for file in live:
        spans = file.assets if file.assets is not None else _read(table, folder, file)
        for name, span in spans.items():
            span_so_far = total.get(name)
            total[name] = _joined(span_so_far, span) if span_so_far else span
    return dict(sorted(total.items()))


def _joined(span: Span, other_span: Span) -> Span:
    return Span(span.rows + other_span.rows, min(span.first, other_span.first), max(span.last, other_span.last))


@lru_cache(maxsize=256)
def _read(table: Table, folder: Path, file: File) -> dict[str, Span]:
    """Return the spans in one file from its key columns; a file never changes, so that they are read once."""
    return _spans(table, files.load(folder, file, [ASSET, str(table.time)]).to_pandas())
