"""Data of a report: everything that it shows, and how that is read from a plant's tables and its live model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import Any

import pandas as pd

from wheeltapper import objectives, sources, tables
from wheeltapper.config import Plant
from wheeltapper.decisions import ledger
from wheeltapper.evaluation.curves import Curves
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.reporting.attribution_of_alarms import attribution
from wheeltapper.scoring.bundle import REQUIREMENTS, Bundle, fingerprint
from wheeltapper.scoring.live_model import live_bundle
from wheeltapper.training import parts
from wheeltapper.training.withheld import normal_from
from wheeltapper.workspace import OBJECTIVE, Workspace


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report is made of. What is absent is left empty and said in words."""

    plant: Plant
    generated_at: datetime
    """When this report was asked for; passed in, never read from a clock."""
    title: str = ""
    """By default the plant's name."""
    objective: str = "detect"

    leaderboard: Sequence[Mapping[str, Any]] = ()
    """One `evaluation.judgement.Judgement` a candidate and part, as JSON, with ``is_baseline`` added."""
    ranked_by: str = ""
    """What put the candidates in their order, as `evaluation.leaderboard` says it; empty if nobody said."""
    champion: str | None = None
    """The candidate whose scores and alarms are shown; None if there is none."""
    chosen: str | None = None
    """The candidate that the verdict is about, where it is not the champion: one that challenges it, or was refused."""
    verdict: str | None = None
    """promote, keep, challenge, refuse, retrain or roll back; None if nothing was decided."""
    reasons: Sequence[str] = ()
    gates: Sequence[Mapping[str, Any]] = ()
    """Each {name, passed (True, False, or None for not judged), figure, limit, reason}."""

    self_test: Mapping[str, Any] | None = None
    """Self-test of the candidate that was chosen, as JSON; None if there was none."""

    maturity: Mapping[str, str] = field(default_factory=dict)
    """Asset → how far its threshold is its own, as the champion's calibration says it; empty without a champion."""

    readings: pd.DataFrame = field(default_factory=tables.READINGS.empty)
    scores: pd.DataFrame = field(default_factory=tables.SCORES.empty)
    """The champion's only."""
    alarms: pd.DataFrame = field(default_factory=tables.ALARMS.empty)
    faults: pd.DataFrame = field(default_factory=tables.FAULTS.empty)
    flags: pd.DataFrame = field(default_factory=tables.FLAGS.empty)
    """Sensors that do not measure, and unusual values."""
    parts: pd.DataFrame | None = None
    """Where each asset's data is cut, as `features.parts.cuts` returns it."""

    roc: Curves = field(default_factory=dict)
    pr: Curves = field(default_factory=dict)
    """Candidate → curve on the part that candidates are compared on; see `curves.window_curves`."""

    moved: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Alarm → the part of each window's severity that each sensor accounts for, by the windows' ends."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Feature → share of the alarms' severity that it accounts for; empty where the detector cannot say."""

    searches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Candidate → what its search tried and chose, see `evaluation.search.told`; only those that were searched."""
    learnt: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Part → reason → windows: what was learnt from, and why the rest was not; see `features.mask.tally`."""
    rows_kept: int | None = None
    quarantine: Mapping[str, int] | None = None
    """Reason → rows put aside; empty if none were, None if nobody counted."""
    features: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Plant hash, table versions, run key, bundle hash, package versions: names → values or further names → values."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Name → address relative to the report, or the command that opens it."""

    @property
    def about(self) -> str | None:
        """The model that the verdict and its figures are about."""
        return self.champion if self.verdict == "keep" else self.chosen or self.champion


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
    scores, alarms = store.read(tables.SCORES), store.read(tables.ALARMS)
    name = fingerprint(champion) if champion else ""
    scores, alarms = scores[scores["bundle"] == name], alarms[alarms["bundle"] == name]
    moved, weights = attribution(space, champion, scores, alarms)
    readings = store.read(tables.READINGS)
    aside = store.read(tables.QUARANTINE, columns=["expectation"])
    return ReportData(
        plant=space.plant,
        generated_at=now,
        objective=OBJECTIVE,
        leaderboard=_with_caveats([*_in_full(judged), *judged["test"]], space),
        ranked_by=judged.get("ranked_by", ""),  # a run of an earlier version did not say
        champion=_champion_label(space, judged, champion),
        chosen=judged["candidate"] if judged["verdict"] in ("challenge", "refuse") else None,
        verdict=judged["verdict"],
        # The gates' own table says why; what else was said is shown above it.
        reasons=[] if judged["gates"] else judged["reasons"],
        gates=judged["gates"],
        self_test=judged.get("self_test"),
        maturity=_maturity(champion, readings, scores),
        readings=readings,
        scores=scores,
        alarms=alarms,
        faults=store.read(tables.FAULTS),
        flags=store.read(tables.FLAGS),
        parts=parts.cuts(readings, space.plant, normal_from(store.read(tables.WITHHELD))),
        roc={label: curves["roc"] for label, curves in judged["curves"].items() if curves},
        pr={label: curves["pr"] for label, curves in judged["curves"].items() if curves},
        moved=moved,
        weights=weights,
        searches=judged.get("searches", {}),
        learnt=judged.get("learnt", {}),  # a run of an earlier version did not say
        rows_kept=len(readings),
        quarantine={str(reason): int(count) for reason, count in aside["expectation"].value_counts().items()},
        features=FeaturePlan.of(space.plant).columns,
        provenance=_provenance(space, judged, name),
        links=_links(space),
    )


def _in_full(judged: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the leaderboard with the tables that it leaves out, such as false alarms by machine."""
    whole = judged.get("judgements", {})
    return [whole.get(row["candidate"], {}) | row for row in judged["leaderboard"]]


def _with_caveats(rows: list[dict[str, Any]], space: Workspace) -> list[dict[str, Any]]:
    """Add what the source makes up or assumes to the remarks on every row."""
    said = sources.build(space.plant.source, space.plant.plug_ins).caveats(space.plant)
    return [row | {"notes": [*row.get("notes", ()), *said]} for row in rows]


def _champion_label(space: Workspace, judged: Mapping[str, Any], champion: Bundle | None) -> str | None:
    """Name the live bundle: as the leaderboard does if it was a candidate of this run, else by how long it is live."""
    if champion is None:
        return None
    if judged["bundle"] == fingerprint(champion):
        return str(judged["candidate"])
    entry = ledger.live(space.store, OBJECTIVE)
    return f"{champion.detector_name}, live since {entry['time']:%Y-%m-%d %H:%M}" if entry else champion.detector_name


def _maturity(champion: Bundle | None, *frames: pd.DataFrame) -> dict[str, str]:
    """Say of every machine that sent readings how far its threshold is its own, of one never calibrated too."""
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
