"""Data: everything that a report shows, and how it is read from a plant's tables and its live model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import Any

import pandas as pd

from wheeltapper import memory, objectives, sources, tables
from wheeltapper.config import Plant
from wheeltapper.decisions import ledger
from wheeltapper.evaluation.curves import Curves
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.reporting.attribution_of_alarms import attribution
from wheeltapper.scoring.alarm_records import standing
from wheeltapper.scoring.bundle import REQUIREMENTS, Bundle, fingerprint
from wheeltapper.scoring.live_model import live_bundle
from wheeltapper.store import Store
from wheeltapper.tables import Table
from wheeltapper.training import parts
from wheeltapper.training.withheld import normal_from
from wheeltapper.workspace import OBJECTIVE, Workspace


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report shows. What is missing stays empty, and the report says so."""

    plant: Plant
    generated_at: datetime
    """When the report is written; passed in, never read from a clock."""
    title: str = ""
    """Heading of the page; by default the plant's name."""
    objective: str = "detect"

    leaderboard: Sequence[Mapping[str, Any]] = ()
    """For each candidate and part one `evaluation.judgement.Judgement` as JSON, with ``is_baseline`` added."""
    ranked_by: str = ""
    """What ranked the candidates, in the words of `evaluation.leaderboard`; empty if unknown."""
    champion: str | None = None
    """The candidate whose scores and alarms are shown; None if there is none."""
    chosen: str | None = None
    """The candidate that the verdict is about, where it is not the champion: a challenger, or a refused one."""
    verdict: str | None = None
    """promote, keep, challenge, refuse, retrain or roll back; None if the run made no decision."""
    reasons: Sequence[str] = ()
    gates: Sequence[Mapping[str, Any]] = ()
    """Each with name, passed (True, False, or None where it was not judged), figure, limit and reason."""

    self_test: Mapping[str, Any] | None = None
    """Self-test of the chosen candidate, as JSON; None if there was none."""

    maturity: Mapping[str, str] = field(default_factory=dict)
    """Asset → learning, provisional, trusted or fixed, see `Calibration.maturity`; empty without a champion."""

    readings: pd.DataFrame = field(default_factory=tables.READINGS.empty)
    scores: pd.DataFrame = field(default_factory=tables.SCORES.empty)
    """Those of the champion."""
    alarms: pd.DataFrame = field(default_factory=tables.ALARMS.empty)
    faults: pd.DataFrame = field(default_factory=tables.FAULTS.empty)
    flags: pd.DataFrame = field(default_factory=tables.FLAGS.empty)
    """Spans in which a sensor does not measure, and unusual values."""
    parts: pd.DataFrame | None = None
    """The instants at which each asset's data is cut, as `training.parts.cuts` returns them."""

    roc: Curves = field(default_factory=dict)
    pr: Curves = field(default_factory=dict)
    """Candidate → curve on the part that candidates are compared on; see `evaluation.curves`."""

    moved: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Alarm → each sensor's part of the severity of each window, indexed by the windows' ends."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Feature → its share of the alarms' severity; empty where the detector cannot tell."""

    searches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Candidate → what its search tried and chose, see `training.search`; only candidates with a search."""
    learnt: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Part → reason → number of windows: those learnt from, and why others were left out."""
    rows_kept: int | None = None
    quarantine: Mapping[str, int] | None = None
    """Reason → rows in quarantine; empty if there are none, None if they were not counted."""
    features: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Name → value, or a mapping of the same form: hashes and versions from which the report was made."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Name → address relative to the report, or the command that opens it."""

    @property
    def about(self) -> str | None:
        """The model that the verdict and the figures beside it are about."""
        return self.champion if self.verdict == "keep" else self.chosen or self.champion


NOT_DRAWN = ("batch_id", "origin", "ingested_at")
"""Columns of the readings that no figure and no table needs: where a reading came from takes the most memory."""


def gather(space: Workspace, judged: Mapping[str, Any], now: datetime) -> ReportData:
    """Read what a plant's report shows from its tables, its live model and the verdict of a run.

    Parameters
    ----------
    space : Workspace
    judged : mapping
        The verdict of a run with its leaderboard, as `tasks.judge` returns it.
    now : datetime
        When the report is written.
    """
    store = space.store
    champion = live_bundle(space)
    bundle = fingerprint(champion) if champion else ""
    alarms = standing(store.read(tables.ALARMS))
    scores, alarms = _scores_of(store, bundle), alarms[alarms["bundle"] == bundle]
    moved, weights = attribution(space, champion, scores, alarms)
    known = store.read(tables.READINGS, assets=[]).columns
    readings = _in_pieces(store, tables.READINGS, [name for name in known if name not in NOT_DRAWN])
    needed = parts.needed(space.plant)
    times = readings if set(needed) <= set(readings) else store.read(tables.READINGS, columns=needed)
    cuts = parts.cuts(times, space.plant, normal_from(store.read(tables.WITHHELD)))
    del times
    quarantined = store.read(tables.QUARANTINE, columns=["expectation"])
    return ReportData(
        plant=space.plant,
        generated_at=now,
        objective=OBJECTIVE,
        leaderboard=_with_caveats([*_in_full(judged), *judged["test"]], space),
        ranked_by=judged.get("ranked_by", ""),  # runs of earlier versions have not recorded it
        champion=_champion_label(space, judged, champion),
        chosen=judged["candidate"] if judged["verdict"] in ("challenge", "refuse") else None,
        verdict=judged["verdict"],
        # Where there are gates, their table shows the reasons.
        reasons=[] if judged["gates"] else judged["reasons"],
        gates=judged["gates"],
        self_test=judged.get("self_test"),
        maturity=_maturity(champion, readings, scores),
        readings=readings,
        scores=scores,
        alarms=alarms,
        faults=store.read(tables.FAULTS),
        flags=store.read(tables.FLAGS),
        parts=cuts,
        roc={label: curves["roc"] for label, curves in judged["curves"].items() if curves},
        pr={label: curves["pr"] for label, curves in judged["curves"].items() if curves},
        moved=moved,
        weights=weights,
        searches=judged.get("searches", {}),
        learnt=judged.get("learnt", {}),  # runs of earlier versions have not recorded it
        rows_kept=len(readings),
        quarantine={str(reason): int(count) for reason, count in quarantined["expectation"].value_counts().items()},
        features=FeaturePlan.of(space.plant).columns,
        provenance=_provenance(space, judged, bundle),
        links=_links(space),
    )


def _scores_of(store: Store, bundle: str) -> pd.DataFrame:
    """Return the scores of one bundle, without the columns that are the same in all of them."""
    names = [name for name in tables.SCORES.names() if name != "role"]
    return _in_pieces(store, tables.SCORES, names, lambda rows: rows[rows["bundle"] == bundle].drop(columns="bundle"))


AT_ONCE = 1_000_000
"""Rows of a long table that are read at once, about."""


def _in_pieces(
    store: Store, table: Table, columns: list[str], keep: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows
) -> pd.DataFrame:
    """Return some columns of a table, by key; a long one is read piece by piece, which needs half the memory."""
    begins: list[datetime | None] = [None]
    held = 0
    for first, _, rows in store.sizes(table):
        if held and held + rows > AT_ONCE:
            begins.append(first)
            held = 0
        held += rows
    pieces = [
        keep(store.read(table, columns=columns, start=start, end=end))
        for start, end in zip(begins, [*begins[1:], None], strict=True)
    ]
    if len(pieces) == 1:
        return pieces[0]
    together = pd.concat(pieces, ignore_index=True)
    pieces.clear()
    memory.give_back()
    return together.sort_values(list(table.key[:2]), kind="stable", ignore_index=True)


def _in_full(judged: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the leaderboard with the fields that it leaves out, such as false alarms by machine."""
    judgements = judged.get("judgements", {})
    return [judgements.get(row["candidate"], {}) | row for row in judged["leaderboard"]]


def _with_caveats(rows: list[dict[str, Any]], space: Workspace) -> list[dict[str, Any]]:
    """Add what the source assumes, such as times that it does not have, to the remarks on every row."""
    caveats = sources.build(space.plant.source, space.plant.plug_ins).caveats(space.plant)
    return [row | {"notes": [*row.get("notes", ()), *caveats]} for row in rows]


def _champion_label(space: Workspace, judged: Mapping[str, Any], champion: Bundle | None) -> str | None:
    """Name the live bundle: by its label if it was a candidate of this run, else by the time since which it is live."""
    if champion is None:
        return None
    if judged["bundle"] == fingerprint(champion):
        return str(judged["candidate"])
    entry = ledger.live(space.store, OBJECTIVE)
    return f"{champion.detector_name}, live since {entry['time']:%Y-%m-%d %H:%M}" if entry else champion.detector_name


def _maturity(champion: Bundle | None, *frames: pd.DataFrame) -> dict[str, str]:
    """Return the maturity of the threshold of every machine with readings, including those never calibrated."""
    if champion is None:
        return {}
    assets = {str(name) for frame in frames for name in frame["asset_id"].unique()}
    return {asset: champion.calibration.maturity(asset) for asset in sorted(assets)}


def _provenance(space: Workspace, judged: Mapping[str, Any], bundle: str) -> dict[str, Any]:
    entry = ledger.live(space.store, OBJECTIVE)
    return {
        "plant settings": objectives.named(space.plant, OBJECTIVE).settings(space.plant),
        "training run": judged["run"],
        "MLflow run": judged["run_id"],
        "live bundle": bundle or "none",
        "live since ledger entry": str(entry["sequence"]) if entry else "none",
        "seed": str(space.plant.seed),
        "tables": {name: f"version {number}" for name, number in judged["tables"].items()},
        "packages": {name: version(name) for name in ("wheeltapper", *REQUIREMENTS, "tensorflow", "mlflow", "prefect")},
    }


def _links(space: Workspace) -> dict[str, str]:
    docs = sorted((space.reports / "data_docs").glob("*/index.html"))
    links = {f"Data Docs: {page.parent.name.replace('_', ' ')}": os.path.relpath(page, space.reports) for page in docs}
    return links | {"MLflow and Prefect in the browser": "wheeltapper up"}
