"""What is withheld from learning: alarms that nobody has judged, and the time before an accepted new normal.

A model that retrains itself on the newest readings would learn every fault that lasts, alarm by alarm. So whatever a
champion has called anomalous stays out of the next training until a person says what it is: a fault (`confirm`), no
fault (`dismiss`), or the machine's new normal (`rebaseline`).
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
    first_heard_of,
    in_force,
    new_normals,
    order_of_champions,
    settle_faults,
)
from wheeltapper.readings.exclude import BEFORE, NOT_JUDGED
from wheeltapper.store import Ref
from wheeltapper.training import parts
from wheeltapper.workspace import Workspace

EVER_BEFORE = pd.Timestamp("1700-01-01", tz="UTC").as_unit("us")
"""Before any reading."""
_FOR_EVER = pd.Timestamp("2262-01-01", tz="UTC").as_unit("us")
_TICK = pd.Timedelta(1, "us")


def reach(scores: pd.DataFrame, champions: Sequence[str]) -> dict[tuple[str, str], tuple[pd.Timestamp, pd.Timestamp]]:
    """Return (bundle, asset) → from when and until when this champion's word on the asset counts.

    It counts from the first window that it scored, and until the first one that a later champion has scored: where two
    have looked at the same time, the later one knows better.

    Parameters
    ----------
    scores : DataFrame with columns asset_id, window_end, bundle
        What was scored in the role of champion.
    champions : sequence of str
        Bundles in the order in which they became live.
    """
    begun = scores.groupby(["bundle", "asset_id"])["window_end"].min()
    found: dict[tuple[str, str], tuple[pd.Timestamp, pd.Timestamp]] = {}
    until: dict[str, pd.Timestamp] = {}
    for bundle in reversed(champions):
        if bundle not in begun.index.get_level_values("bundle"):
            continue
        for asset, first in begun.loc[bundle].items():
            end = until.get(str(asset), _FOR_EVER)
            if first < end:
                found[bundle, str(asset)] = (first, end)
                until[str(asset)] = first
    return found


def withheld(
    alarms: pd.DataFrame,
    reached: Mapping[tuple[str, str], tuple[pd.Timestamp, pd.Timestamp]],
    decided: Sequence[Decision],
    known: Mapping[str, int],
    plant: Plant,
) -> pd.DataFrame:
    """Return the spans that nothing may be learnt from.

    Parameters
    ----------
    alarms : DataFrame
        Rows of the table of alarms, of every bundle that has been live.
    reached : mapping
        From `reach`. An alarm never reaches back before the first window that its champion scored: what a champion
        has learnt from is not put in doubt by its own alarms. One that is still open goes on until a later champion
        has looked, unless it was dismissed as far as it has come.
    decided : sequence of Decision
        Decisions in force.
    known : mapping of bundle to int
        When the ledger first heard of each bundle. One that is older than an asset's new normal judges that asset by
        the old one: its alarms there say nothing.

    Returns
    -------
    DataFrame
        Rows of `tables.WITHHELD`; spans of one asset and reason do not overlap.
    """
    normals = new_normals(list(decided))
    judged = [one for one in decided if one.word in ("confirm", "dismiss")]
    band = plant.window_reach
    rows = [_before(one) for one in normals.values()]
    pieces: dict[str, list[tuple[pd.Timestamp, pd.Timestamp, str]]] = {}
    for _, alarm in alarms.iterrows():
        asset, bundle = str(alarm["asset_id"]), str(alarm["bundle"])
        if (bundle, asset) not in reached:
            continue
        start, end = alarm_span(alarm, plant)
        first, until = reached[bundle, asset]
        own = [one for one in judged if one.asset == asset]
        if alarm["state"] == "open" and not any(one.word == "dismiss" and one.end == end for one in own):
            end = _FOR_EVER  # nothing says that it is over, and what came since may not have been scored yet
        start, end = max(start - band, first), min(end + band if end < _FOR_EVER else end, until - _TICK)
        normal = normals.get(asset)
        if normal is not None and known.get(bundle, -1) < normal.sequence:
            end = min(end, normal.start - _TICK)
        said = [(one.start - band, one.end + band) for one in own if one.end is not None]
        pieces.setdefault(asset, []).extend((*left, str(alarm["alarm_id"])) for left in _without(start, end, said))
    for asset, found in sorted(pieces.items()):
        rows += [_row(asset, NOT_JUDGED, *one) for one in _merged(found)]
    return tables.WITHHELD.check(pd.DataFrame(rows)) if rows else tables.WITHHELD.empty()


def before_learning(rows: pd.DataFrame, learn_until: pd.Series) -> pd.DataFrame:
    """Keep what touches the train or calibrate part, cut off where these end.

    Alarms on later windows change nothing that is learnt, so they must not make a training another one.

    Parameters
    ----------
    rows : DataFrame
        What `withheld` returned.
    learn_until : Series of instants, indexed by asset
        Where each asset's validate part begins.
    """
    until = rows["asset_id"].map(learn_until)
    kept = rows[(rows["start"] < until).to_numpy(dtype=bool)]
    is_late = kept["end"] >= until[kept.index]
    return kept.assign(end=kept["end"].mask(is_late, until[kept.index] - _TICK)).reset_index(drop=True)


def in_doubt(rows: pd.DataFrame, learn_until: pd.Series) -> frozenset[str]:
    """Return the assets with an alarm that nobody has judged and that goes on where learning ends.

    What they did after that is not known to be normal. How long the alarm goes on is not asked: later alarms must not
    make a training another one.

    Parameters
    ----------
    rows : DataFrame
        What `before_learning` returned.
    learn_until : Series of instants, indexed by asset
        Where each asset's validate part begins.
    """
    goes_on = rows["end"] >= rows["asset_id"].map(learn_until) - _TICK
    return frozenset(rows.loc[(rows["reason"] == NOT_JUDGED) & goes_on, "asset_id"])


def before(one: Decision) -> pd.DataFrame:
    """Return the span before one new normal, as `withheld` does for all."""
    return tables.WITHHELD.check(pd.DataFrame([_before(one)]))


def normal_from(rows: pd.DataFrame) -> dict[str, pd.Timestamp]:
    """Return asset → the instant at which its new normal begins, from rows of what is withheld."""
    own = rows[rows["reason"] == BEFORE]
    return {str(asset): end + _TICK for asset, end in zip(own["asset_id"], own["end"], strict=True)}


def _before(one: Decision) -> dict[str, object]:
    return _row(one.asset, BEFORE, EVER_BEFORE, one.start - _TICK, f"ledger entry {one.sequence} by {one.actor}")


def _row(asset: str, reason: str, start: pd.Timestamp, end: pd.Timestamp, detail: str) -> dict[str, object]:
    return {"asset_id": asset, "reason": reason, "start": start, "end": end, "detail": detail}


def _without(
    start: pd.Timestamp, end: pd.Timestamp, taken: Sequence[tuple[pd.Timestamp, pd.Timestamp]]
) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Return what is left of a span once others are taken out of it."""
    left = [(start, end)] if start <= end else []
    for first, last in taken:
        cut = []
        for begin, stop in left:
            if last < begin or first > stop:
                cut.append((begin, stop))
                continue
            cut += [(begin, first - _TICK)] if begin < first else []
            cut += [(last + _TICK, stop)] if stop > last else []
        left = cut
    return left


def _merged(
    found: list[tuple[pd.Timestamp, pd.Timestamp, str]],
) -> list[tuple[pd.Timestamp, pd.Timestamp, str]]:
    """Return spans that do not overlap, with the alarms that each comes from."""
    together: list[tuple[pd.Timestamp, pd.Timestamp, str]] = []
    for start, end, alarm in sorted(found):
        if together and start <= together[-1][1] + _TICK:
            first, last, named = together[-1]
            together[-1] = (first, max(last, end), f"{named}, {alarm}")
        else:
            together.append((start, end, alarm))
    return together


def write_withheld(space: Workspace) -> Ref:
    """Write down what the next training may not learn from; return the table as it is now.

    Alarms on windows that would not be learnt from anyway are left out: scoring writes them after each training, and
    they must not make the same training another one.
    """
    store = space.store
    settle_faults(store)
    decided, champions = in_force(store), order_of_champions(store)
    alarms = store.read(tables.ALARMS)
    alarms = alarms[alarms["bundle"].isin(champions)]
    spans = tables.WITHHELD.empty()
    if len(alarms) or decided:
        scores = store.read(tables.SCORES, columns=[*tables.SCORES.key, "role"])
        reached = reach(scores[scores["role"] == "champion"], champions)
        spans = withheld(alarms, reached, decided, first_heard_of(store), space.plant)
        times = store.read(tables.READINGS, columns=parts.TIMES)
        spans = before_learning(spans, parts.cuts(times, space.plant, normal_from(spans))["validate_from"])
    content = hashlib.sha256(spans.to_json(orient="records", date_format="iso", date_unit="us").encode()).hexdigest()
    after = store.version(tables.WITHHELD)
    return store.overwrite(tables.WITHHELD, spans, txn=f"withheld:{content[:16]}:after {after}")
