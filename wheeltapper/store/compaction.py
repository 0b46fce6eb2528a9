"""Which data files a new piece is merged with, so that many small deliveries cost little to write and to read.

It is a log-structured merge [1]_: four pieces of about one size become one of the next size. A month of hourly
deliveries leaves about a dozen files, and each row is written again about five times in all, however long the month.
When a later period begins, the one before is merged into a single file.

References
----------
.. [1] P. O'Neil et al., "The log-structured merge-tree (LSM-tree)", Acta Informatica 33 (1996),
   doi:10.1007/s002360050048
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wheeltapper.store.files import File

MERGED = 4
"""Pieces of one size that become one: fewer would write each row more often, more would leave more files to open."""

MOST_CELLS = 20_000_000
"""Rows times columns of a merged file: what a writer holds in memory (160 MB of numbers). Larger files stay alone."""


def to_merge(rows: int, live: Sequence[File], columns: int) -> list[File]:
    """Choose the files of a period that are written again together with a new piece.

    Parameters
    ----------
    rows : rows of the new piece
    live : the other files of its period
    columns : columns of the table
    """
    chosen: list[File] = []
    while rows:
        total = rows + sum(file.rows for file in chosen)
        remaining = [file for file in live if file not in chosen]
        alike = [file for file in remaining if _size(file.rows) <= _size(total)]
        if len(alike) + 1 < MERGED or (total + sum(file.rows for file in alike)) * columns > MOST_CELLS:
            return chosen
        chosen += alike
    return chosen


def period_that_ends(new: Iterable[str | None], live: Iterable[File]) -> str | None:
    """Return the newest period of some files if new pieces begin a later one, else None."""
    newest = max((file.period for file in live if file.period is not None), default=None)
    begun = max((period for period in new if period is not None), default=None)
    return newest if newest is not None and begun is not None and begun > newest else None


def to_close(rows: int, live: Sequence[File], columns: int) -> list[File]:
    """Choose the files of a period that become one with its last piece, if there is one.

    Parameters
    ----------
    rows : rows of the last piece, 0 without one
    live : the files of the period
    columns : columns of the table
    """
    is_one = len(live) + (rows > 0) <= 1
    is_too_large = (rows + sum(file.rows for file in live)) * columns > MOST_CELLS
    return [] if is_one or is_too_large else list(live)


def _size(rows: int) -> int:
    """Return the size class of a file: how often `MERGED` pieces of one row were made one."""
    size = 0
    while rows >= MERGED:
        rows //= MERGED
        size += 1
    return size
