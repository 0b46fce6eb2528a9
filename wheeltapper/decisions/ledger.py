"""The ledger: every verdict with its reasons, chained by hashes so that a changed entry is detected.

It proves why a model is live: the data behind the decision, the gates with their figures, and the person or pipeline
that decided. An entry's hash covers all its fields and the hash of the entry before it. To rewrite one entry, all later
ones must be rewritten, and a copy of the newest hash kept elsewhere detects that as well.
"""

from __future__ import annotations

import json
import random
import time
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from wheeltapper.errors import StoreError
from wheeltapper.store import KeyExistsError, Store
from wheeltapper.tables import LEDGER

Verdict = Literal[
    "promote", "keep", "challenge", "refuse", "retrain", "roll back", "confirm", "dismiss", "rebaseline", "take back"
]
"""The last four are decisions of people about alarms and new normals; see `wheeltapper.decisions.feedback`."""
MAKES_LIVE = ("promote", "roll back")
"""Verdicts after which another bundle is live."""
MAKES_KNOWN = (*MAKES_LIVE, "challenge")
"""Verdicts that can be a bundle's first entry."""

_PATIENCE = 60.0
"""Seconds of retries for a sequence number while other writers take them."""
_LONGEST_WAIT = 0.5
_JSON_COLUMNS = ("data", "gates")


def append(
    store: Store,
    *,
    now: datetime,
    actor: str,
    objective: str,
    verdict: Verdict,
    bundle: str,
    version: str,
    run: str,
    data: dict[str, Any] | list[Any],
    gates: dict[str, Any] | list[Any],
    reason: str,
) -> dict[str, Any]:
    """Write a verdict once; for the same run and verdict a second time, return the existing entry.

    Parameters
    ----------
    now : when it was decided, with a time zone
    actor : ``pipeline``, or the person who decided
    bundle, version : the live model afterwards (hash, version in the registry); empty for none
    run : key of the training run that it was decided on; a person who decides twice gives two keys
    data, gates : table versions, and every gate with its figure

    Returns
    -------
    dict
        The entry: the columns of `wheeltapper.tables.LEDGER`, with ``data`` and ``gates`` as given.

    Raises
    ------
    StoreError
        If the verdict is unknown, ``now`` has no time zone, ``data`` or ``gates`` cannot be written as JSON, or
        the ledger is damaged.
    """
    if verdict not in get_args(Verdict):
        raise StoreError(f"verdict must be one of {list(get_args(Verdict))}, got '{verdict}'")
    if now.tzinfo is None:
        raise StoreError(f"the time of a verdict needs a time zone, such as UTC; got {now}")
    fields = {
        "time": pd.Timestamp(now).tz_convert("UTC").as_unit("us"),
        "actor": actor,
        "objective": objective,
        "verdict": verdict,
        "bundle": bundle,
        "version": version,
        "run": run,
        "data": _to_json(data, "data"),
        "gates": _to_json(gates, "gates"),
        "reason": reason,
    }
    txn = "ledger:" + sha256(_canonical([run, objective, verdict]).encode()).hexdigest()
    give_up_at, wait = time.monotonic() + _PATIENCE, 0.01
    while time.monotonic() < give_up_at:
        rows = entries(store)
        if (entry := _same(rows, fields)) is not None:
            return entry
        try:
            store.append(LEDGER, pd.DataFrame([_chained(fields, rows)]), txn=txn)
        except KeyExistsError:
            # Another writer took this sequence number: wait a random time, then link to that entry.
            time.sleep(random.uniform(0, wait))
            wait = min(2 * wait, _LONGEST_WAIT)
            continue
        if (entry := _same(entries(store), fields)) is not None:
            return entry
    raise StoreError(
        f"the ledger of {store.plant} was busy with other writers for {_PATIENCE:.0f} s; run the command again."
    )


def entries(store: Store, objective: str | None = None) -> pd.DataFrame:
    """Return the ledger in order, as stored (``data`` and ``gates`` as JSON text); of one objective if named."""
    rows = store.read(LEDGER)
    return rows if objective is None else rows[rows["objective"] == objective].reset_index(drop=True)


def live(store: Store, objective: str) -> dict[str, Any] | None:
    """Return the entry that made the live bundle of an objective live; None where none is."""
    rows = entries(store, objective)
    rows = rows[rows["verdict"].isin(MAKES_LIVE)]
    if rows.empty or not rows["bundle"].iloc[-1]:
        return None
    return as_entry(rows.iloc[-1])


def challenger(store: Store, objective: str) -> dict[str, Any] | None:
    """Return the entry of the latest challenger of an objective; None if a champion was made since."""
    rows = entries(store, objective)
    rows = rows[rows["verdict"].isin(MAKES_KNOWN)]
    if rows.empty or rows["verdict"].iloc[-1] != "challenge":
        return None
    return as_entry(rows.iloc[-1])


def of_run(store: Store, objective: str, run: str) -> dict[str, Any] | None:
    """Return the newest entry that was decided on a training run; None where there is none."""
    rows = entries(store, objective)
    rows = rows[rows["run"] == run]
    return as_entry(rows.iloc[-1]) if len(rows) else None


def verify(store: Store) -> list[str]:
    """List where the chain is broken, by sequence number; an empty list if it is intact."""
    breaks = []
    previous = ""
    for place, (_, values) in enumerate(entries(store).iterrows()):
        row = {str(name): value for name, value in values.items()}
        number = int(row["sequence"])
        if number != place:
            breaks.append(f"entry {number} is at position {place}: an entry before it is missing")
        if row["previous"] != previous:
            breaks.append(f"entry {number} does not follow the entry before it: one was removed or rewritten")
        if row["hash"] != _hash(row):
            breaks.append(f"entry {number} was changed after it was written: its hash does not match")
        previous = row["hash"]
    return breaks


def _same(rows: pd.DataFrame, fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return the entry of the same run, objective and verdict; None where there is none."""
    for name in ("run", "objective", "verdict"):
        rows = rows[rows[name] == fields[name]]
    return as_entry(rows.iloc[-1]) if len(rows) else None


def _chained(fields: dict[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
    """Add sequence number, link and hash."""
    last = rows.iloc[-1] if len(rows) else None
    entry = {
        "sequence": 0 if last is None else int(last["sequence"]) + 1,
        **fields,
        "previous": "" if last is None else str(last["hash"]),
    }
    return {**entry, "hash": _hash(entry)}


def _hash(entry: dict[str, Any]) -> str:
    """Return the SHA-256 over all fields of an entry but its hash."""
    content = {
        name: int(value) if name == "sequence" else value.isoformat() if name == "time" else str(value)
        for name, value in entry.items()
        if name != "hash"
    }
    return sha256(_canonical(content).encode()).hexdigest()


def as_entry(row: pd.Series) -> dict[str, Any]:
    """Return a row of the ledger as an entry: ``data`` and ``gates`` read from their JSON."""
    entry = {str(name): value for name, value in row.to_dict().items()}
    entry["sequence"] = int(entry["sequence"])
    return {**entry, **{name: json.loads(entry[name]) for name in _JSON_COLUMNS}}


def _to_json(value: Any, name: str) -> str:
    try:
        return _canonical(value)
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"'{name}' of a ledger entry must be plain JSON, finite numbers only (null for a figure that does not "
            f"exist): {error}. Got {value!r}"
        ) from error


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")
