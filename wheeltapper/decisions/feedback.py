"""Decisions of people about alarms and new normals: read from the ledger, and written into it.

The ledger is the only record: an entry is never changed, and taking a decision back adds another entry. A decision is
in force until it is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pandas as pd

from wheeltapper import tables
from wheeltapper.config import Plant
from wheeltapper.decisions import ledger
from wheeltapper.errors import ConfigError
from wheeltapper.spelling import near_miss
from wheeltapper.store import Store
from wheeltapper.workspace import OBJECTIVE, Workspace

Word = Literal["confirm", "dismiss", "rebaseline"]
WORDS: tuple[Word, ...] = ("confirm", "dismiss", "rebaseline")
KIND = "confirmed"
"""Kind of a confirmed fault without a kind of its own."""
PERSON = "person"
"""Origin of faults that a person has confirmed; no source may remove them."""


@dataclass(frozen=True)
class Decision:
    """One decision of a person that is in force."""

    sequence: int
    """Sequence number in the ledger."""
    word: str
    """confirm, dismiss or rebaseline."""
    actor: str
    reason: str
    asset: str
    start: pd.Timestamp
    """First instant that the decision is about (UTC)."""
    end: pd.Timestamp | None
    """Last instant that the decision is about; None for an open end."""
    alarm: str = ""
    kind: str = ""
    """Kind of the confirmed fault."""
    sensors: tuple[str, ...] = ()
    """Sensors whose new level was accepted; all where none is named."""


def in_force(store: Store, before: int | None = None) -> list[Decision]:
    """Return the decisions that are not taken back, in the order in which they were made.

    Parameters
    ----------
    before : int, optional
        Use only ledger entries before this one, for the decisions in force at that time.
    """
    rows = ledger.entries(store, OBJECTIVE)
    if before is not None:
        rows = rows[rows["sequence"] < before]
    decisions: dict[int, Decision] = {}
    for entry in map(ledger.as_entry, (row for _, row in rows[rows["verdict"].isin([*WORDS, "take back"])].iterrows())):
        if entry["verdict"] == "take back":
            decisions.pop(int(entry["data"]["takes_back"]), None)
        else:
            decisions[entry["sequence"]] = _read(entry)
    return list(decisions.values())


def new_normals(decisions: list[Decision]) -> dict[str, Decision]:
    """Return asset → its latest decision on a new normal."""
    return {decision.asset: decision for decision in decisions if decision.word == "rebaseline"}


def outdated(store: Store, bundle: str) -> list[str]:
    """Return sentences on new normals that were accepted or taken back since a bundle was trained."""
    first_entry = first_entries(store).get(bundle)
    before = new_normals(in_force(store, before=first_entry))
    now = new_normals(in_force(store))
    reasons = []
    for asset in sorted(before.keys() | now.keys()):
        old, new = before.get(asset), now.get(asset)
        if new is not None and (old is None or old.start != new.start):
            reasons.append(f"a new normal of {asset} from {new.start:%Y-%m-%d %H:%M} on was accepted by {new.actor}")
        elif new is None:
            reasons.append(f"the new normal of {asset} was taken back")
    return reasons


def first_entries(store: Store) -> dict[str, int]:
    """Return bundle → sequence number of the entry that first promoted it or made it challenger."""
    rows = ledger.entries(store, OBJECTIVE)
    rows = rows[rows["verdict"].isin(ledger.MAKES_KNOWN)]
    return {str(name): int(first) for name, first in rows.groupby("bundle")["sequence"].min().items()}


def order_of_champions(store: Store) -> list[str]:
    """Return every bundle that has been live, in the order in which it last became so; the live one is the last."""
    rows = ledger.entries(store, OBJECTIVE)
    rows = rows[rows["verdict"].isin(ledger.MAKES_LIVE)]
    return [str(name) for name in rows["bundle"].drop_duplicates(keep="last")]


def write(
    store: Store, word: Word, about: dict[str, Any], *, actor: str, now: datetime, reason: str, data: dict[str, Any]
) -> dict[str, Any]:
    """Write a decision into the ledger, update the table of faults, and return the entry.

    Parameters
    ----------
    about : dict
        asset, start and other fields of a `Decision`; times as text.
    data : dict
        Figures that the decision was based on.
    """
    return _append(store, word, {"about": about, **data}, actor, now, reason)


def take_back(store: Store, decision: Decision, *, actor: str, now: datetime) -> dict[str, Any]:
    """Write into the ledger that a decision no longer counts, and update the table of faults."""
    reason = f"entry {decision.sequence} ({decision.word} {decision.alarm or decision.asset}) is taken back"
    return _append(store, "take back", {"takes_back": decision.sequence}, actor, now, reason)


def _append(
    store: Store, verdict: ledger.Verdict, data: dict[str, Any], actor: str, now: datetime, reason: str
) -> dict[str, Any]:
    live = ledger.live(store, OBJECTIVE)
    entry = ledger.append(
        store,
        now=now,
        actor=actor,
        objective=OBJECTIVE,
        verdict=verdict,
        bundle=live["bundle"] if live else "",
        version=live["version"] if live else "",
        run=f"by hand {now.isoformat()}",
        data=data,
        gates=[],
        reason=reason,
    )
    settle_faults(store)
    return entry


def settle_faults(store: Store) -> None:
    """Update the table of faults from the ledger: add confirmed faults, remove those that were taken back.

    The ledger's entry is written first, so the next command completes an interrupted one.
    """
    confirmed = [decision for decision in in_force(store) if decision.word == "confirm"]
    confirmed_faults = _as_faults(confirmed)
    stored = store.read(tables.FAULTS)
    key = list(tables.FAULTS.key)
    ever_confirmed = _as_faults(_ever_confirmed(store))[key]
    recorded = stored.loc[stored["origin"] == PERSON, key].merge(ever_confirmed, on=key)
    matched = recorded.merge(confirmed_faults[key], on=key, how="left", indicator=True)
    withdrawn = matched.loc[matched["_merge"] == "left_only", key]
    if confirmed_faults.empty and withdrawn.empty:
        return
    after = store.version(tables.FAULTS)
    last = int(ledger.entries(store)["sequence"].max())
    drop = withdrawn if len(withdrawn) else None
    store.upsert(tables.FAULTS, confirmed_faults, txn=f"faults:by hand {last}:after {after}", drop=drop)


def _ever_confirmed(store: Store) -> list[Decision]:
    rows = ledger.entries(store, OBJECTIVE)
    return [_read(ledger.as_entry(row)) for _, row in rows[rows["verdict"] == "confirm"].iterrows()]


def _as_faults(confirmed: list[Decision]) -> pd.DataFrame:
    """Write confirmed alarms as rows of the table of faults; two alarms of one fault may have the same start."""
    if not confirmed:
        return tables.FAULTS.empty()
    rows = [
        {
            "asset_id": decision.asset,
            "start": decision.start,
            "end": decision.end,
            "kind": decision.kind,
            "severity": 1.0,
            "origin": PERSON,
        }
        for decision in confirmed
    ]
    key = list(tables.FAULTS.key)
    return tables.FAULTS.check(pd.DataFrame(rows).sort_values("end").drop_duplicates(key, keep="last"))


def of_alarm(decisions: list[Decision], alarm: str) -> Decision | None:
    """Return the decision in force about an alarm; None without one."""
    return next((decision for decision in reversed(decisions) if decision.alarm == alarm), None)


def require_alarm(alarms: pd.DataFrame, alarm: str, plant: str) -> pd.Series:
    """Return the row of an alarm by its identifier, or by the beginning of it.

    Raises
    ------
    ConfigError
        If no alarm, or more than one, begins like that.
    """
    matches = alarms[alarms["alarm_id"].str.startswith(alarm)] if alarm else alarms.iloc[:0]
    if len(matches) == 1:
        return matches.iloc[0]
    if matches.empty:
        raise ConfigError(f"{plant} has no alarm '{alarm}'. To list the alarms: wheeltapper alarms {plant}")
    raise ConfigError(
        f"{len(matches)} alarms of {plant} begin with '{alarm}': {', '.join(matches['alarm_id'].head(5))}"
    )


def _read(entry: dict[str, Any]) -> Decision:
    about = entry["data"]["about"]
    return Decision(
        sequence=entry["sequence"],
        word=entry["verdict"],
        actor=entry["actor"],
        reason=entry["reason"],
        asset=about["asset"],
        start=_instant(about["start"]),
        end=_instant(about["end"]) if about.get("end") else None,
        alarm=about.get("alarm", ""),
        kind=about.get("kind", ""),
        sensors=tuple(about.get("sensors", ())),
    )


def _instant(text: str) -> pd.Timestamp:
    return pd.Timestamp(text).tz_convert("UTC").as_unit("us")


def alarm_span(alarm: pd.Series, plant: Plant) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the ends of an alarm's first and last anomalous window.

    An alarm opens only after several anomalous windows in a row; the span includes all of them.
    """
    return alarm["opened_at"] - (plant.alarms.open_after - 1) * plant.window_spacing, alarm["last_at"]


def confirm(space: Workspace, alarm: str, kind: str, *, reason: str, actor: str, now: datetime) -> dict[str, Any]:
    """Confirm that an alarm is a fault: it is stored as a fault of origin person, and never used as normal running.

    Returns
    -------
    dict
        The ledger's entry.

    Raises
    ------
    ConfigError
        If there is no such alarm, another decision about it is in force, or the asset type has no such fault.
    """
    kinds = space.plant.asset_type.faults
    if kind != KIND and kinds and kind not in kinds:
        raise ConfigError(
            f"{space.plant.asset_type.name} has no fault '{kind}'; found {sorted(kinds)}."
            f"{near_miss(kind, list(kinds))} Leave --kind out if it is none of these."
        )
    return _judge(space, alarm, "confirm", reason or "confirmed as a fault", actor, now, {"kind": kind})


def dismiss(space: Workspace, alarm: str, *, reason: str, actor: str, now: datetime) -> dict[str, Any]:
    """Dismiss an alarm as no fault: its windows may be used for training again.

    The decision covers the alarm up to its present end; if it continues, the rest is not judged yet.
    """
    return _judge(space, alarm, "dismiss", reason or "dismissed: no fault", actor, now, {})


def take_back_alarm(space: Workspace, alarm: str, word: str, *, actor: str, now: datetime) -> dict[str, Any]:
    """Take back the decision about an alarm.

    Raises
    ------
    ConfigError
        If no such decision is in force.
    """
    row = require_alarm(space.store.read(tables.ALARMS), alarm, space.to_type)
    decision = of_alarm(in_force(space.store), str(row["alarm_id"]))
    if decision is None or decision.word != word:
        state = f"it has '{decision.word}'" if decision else "it has no decision"
        raise ConfigError(f"there is no '{word}' of alarm {row['alarm_id']} to take back; {state}.")
    return take_back(space.store, decision, actor=actor, now=now)


def _judge(
    space: Workspace, alarm: str, word: Word, reason: str, actor: str, now: datetime, more: dict[str, Any]
) -> dict[str, Any]:
    row = require_alarm(space.store.read(tables.ALARMS), alarm, space.to_type)
    name = str(row["alarm_id"])
    start, end = alarm_span(row, space.plant)
    earlier = of_alarm(in_force(space.store), name)
    if earlier is not None and (earlier.word != word or earlier.end == end):
        raise ConfigError(
            f"{earlier.actor} has decided '{earlier.word}' for alarm {name} already (ledger entry {earlier.sequence}). "
            f"Take it back first: wheeltapper {earlier.word} {space.to_type} {name} --undo"
        )
    about = {"asset": str(row["asset_id"]), "start": str(start), "end": str(end), "alarm": name, **more}
    data = {"explanation": str(row["explanation"]), "peak_severity": float(row["peak_severity"])}
    return write(space.store, word, about, actor=actor, now=now, reason=reason, data=data)
