"""Write the report, and link it from Prefect's UI."""

from __future__ import annotations

import os
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import task
from prefect.artifacts import create_markdown_artifact

from tasks import DEFAULTS
from tasks._attribution import attribution
from wheeltapper import objectives, sources, tables
from wheeltapper.decisions import ledger
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.reporting.report import ReportData, write
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import REQUIREMENTS, Bundle
from wheeltapper.scoring.live_model import live_bundle
from wheeltapper.training import parts
from wheeltapper.training.withheld import normal_from
from wheeltapper.workspace import OBJECTIVE, Workspace


@task(name="write report", **DEFAULTS)
def write_report(plant: str, judged: dict[str, Any], now: datetime) -> str:
    """Write the HTML report with its figures; return its path."""
    space = Workspace.open(plant)
    path = write(_gather(space, judged, now), space.reports)
    address = f"http://127.0.0.1:{space.settings.reports_port}/{space.plant.name}/{path.name}"
    create_markdown_artifact(
        key=f"report-{space.plant.name.replace('_', '-').lower()}",
        markdown=f"[Open the report]({address}) (served by `wheeltapper up`; the file is `{_short(path)}`)",
        description=f"{space.plant.name}: {judged['verdict']}",
    )
    return str(path)


def _gather(space: Workspace, judged: dict[str, Any], now: datetime) -> ReportData:
    store = space.store
    champion = live_bundle(space)
    scores, alarms = store.read(tables.SCORES), store.read(tables.ALARMS)
    name = bundles.fingerprint(champion) if champion else ""
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


def _in_full(judged: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the leaderboard with the tables that it leaves out, such as false alarms by machine."""
    whole = judged.get("judgements", {})
    return [whole.get(row["candidate"], {}) | row for row in judged["leaderboard"]]


def _with_caveats(rows: list[dict[str, Any]], space: Workspace) -> list[dict[str, Any]]:
    """Add what the source makes up or assumes to the remarks on every row."""
    said = sources.build(space.plant.source).caveats(space.plant)
    return [row | {"notes": [*row.get("notes", ()), *said]} for row in rows]


def _champion_label(space: Workspace, judged: dict[str, Any], champion: Bundle | None) -> str | None:
    """Name the live bundle: as the leaderboard does if it was a candidate of this run, else by how long it is live."""
    if champion is None:
        return None
    if judged["bundle"] == bundles.fingerprint(champion):
        return str(judged["candidate"])
    entry = ledger.live(space.store, OBJECTIVE)
    return f"{champion.detector_name}, live since {entry['time']:%Y-%m-%d %H:%M}" if entry else champion.detector_name


def _maturity(champion: Bundle | None, *frames: pd.DataFrame) -> dict[str, str]:
    """Say of every machine that sent readings how far its threshold is its own, of one never calibrated too."""
    if champion is None:
        return {}
    assets = {str(name) for frame in frames for name in frame["asset_id"].unique()}
    return {asset: champion.calibration.maturity(asset) for asset in sorted(assets)}


def _provenance(space: Workspace, judged: dict[str, Any], bundle: str) -> dict[str, Any]:
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


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
