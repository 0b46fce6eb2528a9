"""The versions of tables that something still needs: they are kept when old ones are given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from wheeltapper import tables
from wheeltapper.decisions import ledger
from wheeltapper.store import Store

Versions = frozenset[tuple[str, int]]


def versions_in_use(store: Store) -> Versions:
    """Return name and version of each table that a decision was based on, or that a step has taken in last.

    The ledger records the versions that each judged training has learnt from, so their rows stay for the live model,
    for earlier ones, and for a training that is repeated.
    """
    return frozenset(_decided_on(store) | _followed(store))


def give_up_old(store: Store, keep_for: timedelta | None, now: datetime) -> list[Path]:
    """Give up the versions that are older than the settings keep them, and that nothing needs.

    Parameters
    ----------
    store : Store
    keep_for : timedelta or None
        How long versions stay; None for ever.
    now : datetime with a time zone

    Returns
    -------
    list of Path
        The deleted files.
    """
    return [] if keep_for is None else store.retain(versions_in_use(store), now - keep_for)


def _decided_on(store: Store) -> set[tuple[str, int]]:
    entries = ledger.entries(store)
    decisions = (ledger.as_entry(row)["data"] for _, row in entries.iterrows())
    return {
        (name, version)
        for data in decisions
        if isinstance(data, dict)
        for name, version in data.items()
        if name in tables.TABLES and isinstance(version, int) and version >= 0
    }


def _followed(store: Store) -> set[tuple[str, int]]:
    marks = store.read(tables.FOLLOWED)
    made_from = store.made_from(tables.FEATURES).items() if store.version(tables.FEATURES) is not None else ()
    return {*zip(marks["table"].astype(str), marks["version"].astype(int), strict=True), *made_from}
