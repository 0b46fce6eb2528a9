"""What people have decided about alarms and about what is normal: read from the ledger, and written into it.

The ledger is the only memory: an entry is never changed, and whoever takes a decision back writes another entry. A
decision is in force until it is taken back.
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
"""Kind of a confirmed fault that nobody gave a name."""
PERSON = "person"
"""Origin of faults that a person has confirmed: no source may take them away."""


@dataclass(frozen=True)
class Decision:
    """One decision of a person that is in force."""

    sequence: int
    """Its place in the ledger."""
    word: str
    """confirm, dismiss or rebaseline."""
    actor: str
    reason: str
    asset: str
    start: pd.Timestamp
    """First instant that is meant (UTC)."""
    end: pd.Timestamp | None
    """Last instant that is meant; None for all that follows."""
    alarm: str = ""
    kind: str = ""
    """What kind of fault was confirmed."""
    sensors: tuple[str, ...] = ()
    """Sensors whose new level was accepted; all where none is named."""


def in_force(store: Store, before: int | None = None) -> list[Decision]:
    """Return the decisions that nobody has taken back, in the order in which they were made.

    Parameters
    ----------
    before : int, optional
        Look only at ledger entries before this one: what was in force then.
    """
    rows = ledger.entries(store, OBJECTIVE)
    if before is not None:
        rows = rows[rows["sequence"] < before]
    found: dict[int, Decision] = {}
    for entry in map(ledger.as_entry, (row for _, row in rows[rows["verdict"].isin([*WORDS, "take back"])].iterrows())):
        if entry["verdict"] == "take back":
            found.pop(int(entry["data"]["takes_back"]), None)
        else:
            found[entry["sequence"]] = _read(entry)
    return list(found.values())


def new_normals(decided: list[Decision]) -> dict[str, Decision]:
    """Return asset → the decision that says from when on its normal counts: the latest one."""
    return {one.asset: one for one in decided if one.word == "rebaseline"}


def outdated(store: Store, bundle: str) -> list[str]:
    """Say which assets have got another normal, or have it no more, since a bundle was trained; in words."""
    known = first_heard_of(store).get(bundle)
    before = new_normals(in_force(store, before=known))
    now = new_normals(in_force(store))
    said = []
    for asset in sorted(before.keys() | now.keys()):
        was, is_ = before.get(asset), now.get(asset)
        if is_ is not None and (was is None or was.start != is_.start):
            said.append(f"a new normal of {asset} from {is_.start:%Y-%m-%d %H:%M} on was accepted by {is_.actor}")
        elif is_ is None:
            said.append(f"the new normal of {asset} was taken back")
    return said


def first_heard_of(store: Store) -> dict[str, int]:
    """Return bundle → the place in the ledger where it was promoted or became challenger for the first time."""
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
    """Write a decision into the ledger, and let the table of faults follow it; return the entry.

    Parameters
    ----------
    about : dict
        asset, start and what else a `Decision` has; times as text.
    data : dict
        Figures that were looked at.
    """
    return _append(store, word, {"about": about, **data}, actor, now, reason)


def take_back(store: Store, decision: Decision, *, actor: str, now: datetime) -> dict[str, Any]:
    """Write into the ledger that a decision no longer counts, and let the table of faults follow."""
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
    """Let the table of faults follow the ledger: a confirmed fault is in it, one that was taken back is not.

    The ledger's entry is written first, so a command that was cut short is finished by the next one.
    """
    confirmed = [one for one in in_force(store) if one.word == "confirm"]
    wanted = _as_faults(confirmed)
    stored = store.read(tables.FAULTS)
    key = list(tables.FAULTS.key)
    ever = _as_faults(_ever_confirmed(store))[key]
    known = stored.loc[stored["origin"] == PERSON, key].merge(ever, on=key)
    both = known.merge(wanted[key], on=key, how="left", indicator=True)
    gone = both.loc[both["_merge"] == "left_only", key]
    if wanted.empty and gone.empty:
        return
    after = store.version(tables.FAULTS)
    last = int(ledger.entries(store)["sequence"].max())
    drop = gone if len(gone) else None
    store.upsert(tables.FAULTS, wanted, txn=f"faults:by hand {last}:after {after}", drop=drop)


def _ever_confirmed(store: Store) -> list[Decision]:
    rows = ledger.entries(store, OBJECTIVE)
    return [_read(ledger.as_entry(row)) for _, row in rows[rows["verdict"] == "confirm"].iterrows()]


def _as_faults(confirmed: list[Decision]) -> pd.DataFrame:
    """Write confirmed alarms as rows of the table of faults; two alarms of one fault may have the same start."""
    if not confirmed:
        return tables.FAULTS.empty()
    rows = [
        {
            "asset_id": one.asset,
            "start": one.start,
            "end": one.end,
            "kind": one.kind,
            "severity": 1.0,
            "origin": PERSON,
        }
        for one in confirmed
    ]
    key = list(tables.FAULTS.key)
    return tables.FAULTS.check(pd.DataFrame(rows).sort_values("end").drop_duplicates(key, keep="last"))


def of_alarm(decided: list[Decision], alarm: str) -> Decision | None:
    """Return what was decided about an alarm; None if nothing is in force."""
    return next((one for one in reversed(decided) if one.alarm == alarm), None)


def require_alarm(alarms: pd.DataFrame, alarm: str, plant: str) -> pd.Series:
    """Return the row of an alarm by its name, or by the beginning of it.

    Raises
    ------
    ConfigError
        If there is none, or several begin like that.
    """
    found = alarms[alarms["alarm_id"].str.startswith(alarm)] if alarm else alarms.iloc[:0]
    if len(found) == 1:
        return found.iloc[0]
    if found.empty:
        raise ConfigError(f"{plant} has no alarm '{alarm}'. What alarms there are: wheeltapper alarms {plant}")
    raise ConfigError(f"{len(found)} alarms of {plant} begin with '{alarm}': {', '.join(found['alarm_id'].head(5))}")


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

    An alarm opens only after several anomalous windows in a row; all of them are meant.
    """
    return alarm["opened_at"] - (plant.alarms.open_after - 1) * plant.window_spacing, alarm["last_at"]


def confirm(space: Workspace, alarm: str, kind: str, *, reason: str, actor: str, now: datetime) -> dict[str, Any]:
    """Say that an alarm is a fault: it becomes one, of origin person, and is never learnt from.

    Returns
    -------
    dict
        The ledger's entry.

    Raises
    ------
    ConfigError
        If there is no such alarm, something else was said about it, or the asset type has no such fault.
    """
    known = space.plant.asset_type.faults
    if kind != KIND and known and kind not in known:
        raise ConfigError(
            f"{space.plant.asset_type.name} has no fault '{kind}'; found {sorted(known)}."
            f"{near_miss(kind, list(known))} Leave --kind out if it is none of these."
        )
    return _judge(space, alarm, "confirm", reason or "confirmed as a fault", actor, now, {"kind": kind})


def dismiss(space: Workspace, alarm: str, *, reason: str, actor: str, now: datetime) -> dict[str, Any]:
    """Say that an alarm is no fault: its windows may be learnt from again.

    What is meant is the alarm as far as it has come: if it goes on, the rest is judged by nobody yet.
    """
    return _judge(space, alarm, "dismiss", reason or "dismissed: no fault", actor, now, {})


def take_back_alarm(space: Workspace, alarm: str, word: str, *, actor: str, now: datetime) -> dict[str, Any]:
    """Take back what was said about an alarm.

    Raises
    ------
    ConfigError
        If that was not said.
    """
    row = require_alarm(space.store.read(tables.ALARMS), alarm, space.to_type)
    said = of_alarm(in_force(space.store), str(row["alarm_id"]))
    if said is None or said.word != word:
        done = f"it was said to be: {said.word}" if said else "nothing was said about it"
        raise ConfigError(f"there is no '{word}' of alarm {row['alarm_id']} to take back; {done}.")
    return take_back(space.store, said, actor=actor, now=now)


def _judge(
    space: Workspace, alarm: str, word: Word, reason: str, actor: str, now: datetime, more: dict[str, Any]
) -> dict[str, Any]:
    row = require_alarm(space.store.read(tables.ALARMS), alarm, space.to_type)
    name = str(row["alarm_id"])
    start, end = alarm_span(row, space.plant)
    said = of_alarm(in_force(space.store), name)
    if said is not None and (said.word != word or said.end == end):
        raise ConfigError(
            f"{said.actor} has said '{said.word}' to alarm {name} already (ledger entry {said.sequence}). "
            f"Take it back first: wheeltapper {said.word} {space.to_type} {name} --undo"
        )
    about = {"asset": str(row["asset_id"]), "start": str(start), "end": str(end), "alarm": name, **more}
    data = {"explanation": str(row["explanation"]), "peak_severity": float(row["peak_severity"])}
    return write(space.store, word, about, actor=actor, now=now, reason=reason, data=data)
