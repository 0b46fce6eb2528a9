"""Time withheld from training: alarms without a person's judgement, and the time before an accepted new normal.

A model that is retrained on the newest readings would learn every lasting fault, alarm by alarm. So all time in alarm
by a champion stays out of the next training until a person decides: a fault (`confirm`), no fault (`dismiss`), or the
machine's new normal (`rebaseline`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pandas as pd

from wheeltapper import tables
from wheeltapper.config import Plant
from wheeltapper.decisions.feedback import (
    Decision,
    alarm_span,
    first_entries,
    in_force,
    new_normals,
    order_of_champions,
    settle_faults,
)
from wheeltapper.readings.exclude import BEFORE, NOT_JUDGED
from wheeltapper.scoring.alarm_records import standing
from wheeltapper.store import Ref
from wheeltapper.training import parts
from wheeltapper.workspace import Workspace

EVER_BEFORE = pd.Timestamp("1700-01-01", tz="UTC").as_unit("us")
"""Before any reading."""
_FOR_EVER = pd.Timestamp("2262-01-01", tz="UTC").as_unit("us")
_TICK = pd.Timedelta(1, "us")


def reach(scores: pd.DataFrame, champions: Sequence[str]) -> dict[tuple[str, str], tuple[pd.Timestamp, pd.Timestamp]]:
    """Return (bundle, asset) → first and last instant at which this champion's alarms on the asset count.

    They count from the first window that it scored, until the first window that a later champion scored: where two have
    scored the same time, the later one counts.

    Parameters
    ----------
    scores : DataFrame with columns asset_id, window_end, bundle
        Rows scored in the role of champion.
    champions : sequence of str
        Bundles in the order in which they became live.
    """
    scored_from = scores.groupby(["bundle", "asset_id"])["window_end"].min()
    spans: dict[tuple[str, str], tuple[pd.Timestamp, pd.Timestamp]] = {}
    until: dict[str, pd.Timestamp] = {}
    for bundle in reversed(champions):
        if bundle not in scored_from.index.get_level_values("bundle"):
            continue
        for asset, first in scored_from.loc[bundle].items():
            end = until.get(str(asset), _FOR_EVER)
            if first < end:
                spans[bundle, str(asset)] = (first, end)
                until[str(asset)] = first
    return spans


def withheld(
    alarms: pd.DataFrame,
    reach_by_model: Mapping[tuple[str, str], tuple[pd.Timestamp, pd.Timestamp]],
    decisions: Sequence[Decision],
    first_entry: Mapping[str, int],
    plant: Plant,
) -> pd.DataFrame:
    """Return the spans that are withheld from training.

    Parameters
    ----------
    alarms : DataFrame
        Rows of the table of alarms, of every bundle that has been live.
    reach_by_model : mapping
        From `reach`. An alarm never withholds time before the first window that its champion scored, so a champion's
        training data is not withheld by its own alarms. An open alarm lasts until a later champion has scored, unless
        it was dismissed up to its present end.
    decisions : sequence of Decision
        Decisions in force.
    first_entry : mapping of bundle to int
        First ledger entry of each bundle. A bundle that is older than an asset's new normal judges that asset by the
        old one, so its alarms there do not count.

    Returns
    -------
    DataFrame
        Rows of `tables.WITHHELD`; spans of one asset and reason do not overlap.
    """
    normals = new_normals(list(decisions))
    judged = [decision for decision in decisions if decision.word in ("confirm", "dismiss")]
    band = plant.window_reach
    rows = [_before(decision) for decision in normals.values()]
    pieces: dict[str, list[tuple[pd.Timestamp, pd.Timestamp, str]]] = {}
    for _, alarm in alarms.iterrows():
        asset, bundle = str(alarm["asset_id"]), str(alarm["bundle"])
        if (bundle, asset) not in reach_by_model:
            continue
        start, end = alarm_span(alarm, plant)
        first, until = reach_by_model[bundle, asset]
        asset_judgements = [decision for decision in judged if decision.asset == asset]
        if alarm["state"] == "open" and not any(
            decision.word == "dismiss" and decision.end == end for decision in asset_judgements
        ):
            end = _FOR_EVER  # it is not closed, and later readings may not have been scored yet
        start, end = max(start - band, first), min(end + band if end < _FOR_EVER else end, until - _TICK)
        new_normal = normals.get(asset)
        if new_normal is not None and first_entry.get(bundle, -1) < new_normal.sequence:
            end = min(end, new_normal.start - _TICK)
        judged_spans = [
            (decision.start - band, decision.end + band) for decision in asset_judgements if decision.end is not None
        ]
        pieces.setdefault(asset, []).extend(
            (*remaining, str(alarm["alarm_id"])) for remaining in _without(start, end, judged_spans)
        )
    for asset, asset_pieces in sorted(pieces.items()):
        rows += [_row(asset, NOT_JUDGED, *piece) for piece in _merged(asset_pieces)]
    return tables.WITHHELD.check(pd.DataFrame(rows)) if rows else tables.WITHHELD.empty()


def before_learning(rows: pd.DataFrame, learn_until: pd.Series) -> pd.DataFrame:
    """Keep the spans in the train or calibrate part, cut off where these end.

    Alarms on later windows do not change the training data, so they must not change the training's key.

    Parameters
    ----------
    rows : DataFrame
        Result of `withheld`.
    learn_until : Series of instants, indexed by asset
        Where each asset's validate part begins.
    """
    until = rows["asset_id"].map(learn_until)
    learnable = rows[(rows["start"] < until).to_numpy(dtype=bool)]
    is_late = learnable["end"] >= until[learnable.index]
    return learnable.assign(end=learnable["end"].mask(is_late, until[learnable.index] - _TICK)).reset_index(drop=True)


def in_doubt(rows: pd.DataFrame, learn_until: pd.Series) -> frozenset[str]:
    """Return the assets with an alarm that is not judged and that lasts where the training data ends.

    Their later running may not be normal. The end of the alarm is not used: later alarms must not change the training's
    key.

    Parameters
    ----------
    rows : DataFrame
        Result of `before_learning`.
    learn_until : Series of instants, indexed by asset
        Where each asset's validate part begins.
    """
    goes_on = rows["end"] >= rows["asset_id"].map(learn_until) - _TICK
    return frozenset(rows.loc[(rows["reason"] == NOT_JUDGED) & goes_on, "asset_id"])


def before(decision: Decision) -> pd.DataFrame:
    """Return the span before one new normal, as `withheld` does for all."""
    return tables.WITHHELD.check(pd.DataFrame([_before(decision)]))


def normal_from(rows: pd.DataFrame) -> dict[str, pd.Timestamp]:
    """Return asset → the instant at which its new normal begins, from rows of `tables.WITHHELD`."""
    before_normal = rows[rows["reason"] == BEFORE]
    return {str(asset): end + _TICK for asset, end in zip(before_normal["asset_id"], before_normal["end"], strict=True)}


def _before(decision: Decision) -> dict[str, object]:
    return _row(
        decision.asset,
        BEFORE,
        EVER_BEFORE,
        decision.start - _TICK,
        f"ledger entry {decision.sequence} by {decision.actor}",
    )


def _row(asset: str, reason: str, start: pd.Timestamp, end: pd.Timestamp, detail: str) -> dict[str, object]:
    return {"asset_id": asset, "reason": reason, "start": start, "end": end, "detail": detail}


def _without(
    start: pd.Timestamp, end: pd.Timestamp, removed: Sequence[tuple[pd.Timestamp, pd.Timestamp]]
) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Return the remaining pieces of a span without other spans."""
    remaining = [(start, end)] if start <= end else []
    for first, last in removed:
        cut = []
        for begin, stop in remaining:
            if last < begin or first > stop:
                cut.append((begin, stop))
                continue
            cut += [(begin, first - _TICK)] if begin < first else []
            cut += [(last + _TICK, stop)] if stop > last else []
        remaining = cut
    return remaining


def _merged(
    spans: list[tuple[pd.Timestamp, pd.Timestamp, str]],
) -> list[tuple[pd.Timestamp, pd.Timestamp, str]]:
    """Return spans that do not overlap, with the alarms of each."""
    merged: list[tuple[pd.Timestamp, pd.Timestamp, str]] = []
    for start, end, alarm in sorted(spans):
        if merged and start <= merged[-1][1] + _TICK:
            first, last, alarm_ids = merged[-1]
            merged[-1] = (first, max(last, end), f"{alarm_ids}, {alarm}")
        else:
            merged.append((start, end, alarm))
    return merged


def write_withheld(space: Workspace) -> Ref:
    """Write the spans that the next training must not use; return the table's new version.

    Alarms on windows outside the training data are left out: scoring writes them after each training, and they must not
    change the training's key.
    """
    store = space.store
    settle_faults(store)
    decided, champions = in_force(store), order_of_champions(store)
    alarms = store.read(tables.ALARMS)
    alarms = standing(alarms[alarms["bundle"].isin(champions)])
    spans = tables.WITHHELD.empty()
    if len(alarms) or decided:
        scores = store.read(tables.SCORES, columns=[*tables.SCORES.key, "role"])
        reach_by_model = reach(scores[scores["role"] == "champion"], champions)
        spans = withheld(alarms, reach_by_model, decided, first_entries(store), space.plant)
        times = store.read(tables.READINGS, columns=parts.needed(space.plant))
        spans = before_learning(spans, parts.cuts(times, space.plant, normal_from(spans))["validate_from"])
    content = hashlib.sha256(spans.to_json(orient="records", date_format="iso", date_unit="us").encode()).hexdigest()
    after = store.version(tables.WITHHELD)
    return store.overwrite(tables.WITHHELD, spans, txn=f"withheld:{content[:16]}:after {after}")
