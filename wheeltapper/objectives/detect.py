"""Detect: does this window look like normal running? Its answers become alarms.

It trains on normal running alone and needs no labels. Where faults are known, candidates are ranked by their cost;
otherwise by the faults that they find in the self-test.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from wheeltapper import __version__, tables
from wheeltapper.config import Plant, PlugIn
from wheeltapper.decisions import feedback
from wheeltapper.evaluation import duel, duplicate_target, label_rule, leaderboard
from wheeltapper.evaluation.baseline_gate import beats_baselines
from wheeltapper.evaluation.budget_gate import keeps_budget
from wheeltapper.evaluation.curves import window_curves
from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.judgement import Judgement
from wheeltapper.evaluation.leaderboard import Leaderboard
from wheeltapper.features.columns import that_show
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.plugins import DETECTORS, FEATURE_SETS
from wheeltapper.readings.exclude import overlaps
from wheeltapper.scoring import alarms
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.calibration import TRUSTED_FROM
from wheeltapper.scoring.live_model import stored_rows
from wheeltapper.training import search
from wheeltapper.training.candidate import baselines_of, fit_candidate
from wheeltapper.training.judging import judge_scores, metrics, summary
from wheeltapper.training.objective import Decision, Job, Objective, Ranking, Trained
from wheeltapper.training.preparation import Preparation, prepare
from wheeltapper.training.result import CandidateResult
from wheeltapper.training.rows import score
from wheeltapper.training.self_test import run_self_test
from wheeltapper.training.table import TrainingTable
from wheeltapper.workspace import OBJECTIVE, Workspace, labels

_log = logging.getLogger("wheeltapper.train")


class Detect(Objective):
    """Detect anomalous windows within the alarm budget."""

    answer: ClassVar[tuple[str, ...]] = ("score", "threshold", "severity", "regime")
    settings_used: ClassVar[frozenset[str]] = frozenset(Plant.model_fields) - {
        "name",
        "description",
        "source",
        "objectives",
    }

    def settings(self, plant: Plant) -> str:
        """Return the hash of all settings that its training and verdict depend on: nearly all of the plant's."""
        content = plant.model_dump(mode="json", include=set(self.settings_used))
        if plant.search is None:
            del content["search"]  # without a search the hash stays as in versions before searches
        code = plant.plug_ins.digests(DETECTORS, FEATURE_SETS)
        if code:
            content["code"] = code
        text = json.dumps([content, __version__], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def training_key(self, plant: Plant, digests: Sequence[str]) -> str:
        """Return the key of a training, without the objective's name, as in versions with one objective."""
        if self.name != OBJECTIVE:  # one that is made from this one, under its own name
            return super().training_key(plant, digests)
        text = json.dumps([plant.name, self.settings(plant), *digests])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def baselines(self, plant: Plant) -> dict[str, PlugIn]:
        """Return the baselines, including the plant's alarm limits."""
        simple = baselines_of(plant)
        return {label: detector for label, detector in _contenders(plant).items() if detector in simple}

    def candidates(self, plant: Plant) -> dict[str, PlugIn]:
        """Return the detectors that the plant's YAML names."""
        simple = baselines_of(plant)
        return {label: detector for label, detector in _contenders(plant).items() if detector not in simple}

    def train(self, job: Job) -> Trained:
        """Search options where the plant asks for it, fit, calibrate, judge and self-test one detector."""
        plant, table = job.plant, job.table
        record = search.search(job)
        chosen = PlugIn(name=job.candidate.name, options=record["chosen"]) if record else job.candidate
        prepared = _prepared(job)
        bundle = fit_candidate(
            plant,
            chosen,
            table.every,
            table.part,
            table.faults,
            dict(job.provenance) | search.in_short(record),
            table.flags,
            prepared,
        )
        rows = table.of("validate")
        scores = score(bundle, rows)
        judgement = judge_scores(plant, job.label, "validate", scores, table.faults, bundle, rows, table.flags)
        return Trained(
            options=chosen,
            model=bundle,
            judgement=judgement,
            metrics=metrics(judgement),
            summary=summary(judgement),
            scores=scores,
            alarms=alarms.fold(scores, plant.alarms, plant.max_gap),
            self_test=run_self_test(job.space, bundle, job.training, table, job.shared),
            curves=_curves(scores, table.faults),
            thresholds=bundle.calibration.threshold,
            calibration=bundle.calibration.summary(),
            search=record,
            params={f"sample.{name}": count for name, count in prepared.sample.items()},
        )

    def read(self, plant: Plant, folder: Path, expected: str) -> Bundle:
        """Read a bundle, after its manifest has been verified."""
        return bundles.read(folder, expected=expected, plug_ins=plant.plug_ins)

    def rank(self, results: Sequence[CandidateResult]) -> DetectRanking:
        """Rank by cost where one candidate is surely cheaper, else by VUS-PR; without known faults by the self-test."""
        judgements = [Judgement.model_validate(result.judgement) for result in results]
        baselines = {result.label for result in results if result.is_baseline}
        figures = {result.label: result.self_test.mean for result in results if result.self_test is not None}
        board = leaderboard.rank(judgements, baselines, figures)
        return DetectRanking(
            order=tuple(candidate.candidate for candidate in board.candidates),
            ranked_by=board.ranked_by,
            rows=board.rows(),
            text=leaderboard.as_text(board),
            notes=board.notes,
            board=board,
        )

    def gates(self, decision: Decision, result: CandidateResult) -> list[Gate]:
        """Check the gates of the self-test, then those of baselines, budget, champion and labels."""
        board: Leaderboard = decision.ranking.board  # type: ignore[attr-defined]
        (judgement,) = [candidate for candidate in board.candidates if candidate.candidate == result.label]
        plant, rival = decision.space.plant, decision.rival
        checked = [
            *(result.self_test.gates if result.self_test else ()),
            beats_baselines(judgement, board.baselines, board.self_test),
            keeps_budget(judgement, plant.alarm_budget, promised=_promised(result)),
        ]
        if rival is not None:
            shares = (result.self_test.heard if result.self_test else {}, rival.shares)
            checked += [
                duel.beats_champion(judgement, rival.judgement, shares),
                duel.surely_beats_champion(judgement, rival.judgement, shares, seed=plant.seed),
            ]
        return [
            *checked,
            *decision.shared.get(
                f"gates of labels {decision.training.key}", lambda: _label_gates(plant, decision.table)
            ),
        ]

    def champion_is_outdated(self, space: Workspace, bundle: str) -> list[str]:
        """Return sentences on assets whose normal has changed since the champion was trained."""
        return feedback.outdated(space.store, bundle)

    def judge_champion(self, decision: Decision, folder: Path, expected: str) -> Rival:
        """Judge the champion on the candidates' windows; where no fault is known, also by the same self-test."""
        champion = self.read(decision.space.plant, folder, expected)
        judgement = _judge_champion(decision, champion)
        if judgement.cost_per_asset_week is not None:
            return Rival(judgement, {})
        tested = run_self_test(decision.space, champion, decision.training, decision.table, decision.shared)
        return Rival(judgement, tested.heard)

    def rival_judgement(self, rival: Rival) -> dict[str, Any]:
        """Return the champion's figures on the validate part as JSON."""
        return rival.judgement.model_dump(mode="json")

    def test(self, decision: Decision, chosen: str) -> list[dict[str, Any]]:
        """Judge the chosen candidate and the baselines on the test part."""
        rows, table = decision.table.of("test"), decision.table
        if not rows.windows["usable"].any():
            return []
        baselines = sorted(label for label, result in decision.results.items() if result.is_baseline)
        judged = []
        for label in [*baselines, chosen]:
            result = decision.results[label]
            folder = decision.space.registry.bundle_folder(result.model_uri)
            bundle = self.read(decision.space.plant, folder, result.bundle)
            scores = score(bundle, rows)
            figures = judge_scores(
                decision.space.plant, label, "test", scores, table.faults, bundle, rows, table.flags
            ).model_dump(mode="json")
            judged.append(figures | {"is_baseline": label in baselines})
        return judged

    def caveats(self, plant: Plant, chosen: CandidateResult | None) -> list[str]:  # noqa: ARG002
        """Return a note on machines whose thresholds are based on little normal running of their own."""
        promise = chosen.calibration if chosen else None
        maturity = Counter(promise["maturity"].values()) if promise else Counter[str]()
        untrusted = [
            f"{maturity[stage]} of {maturity.total()} {stage}"
            for stage in ("learning", "provisional")
            if maturity[stage]
        ]
        if not untrusted:
            return []
        return [
            f"thresholds: {', '.join(untrusted)}; a machine's own is trusted once its calibrate part is as long as "
            f"{TRUSTED_FROM:g} accepted alarms take, until then the threshold of its kind supports it"
        ]


@dataclass(frozen=True, kw_only=True)
class DetectRanking(Ranking):
    """The candidates in order, with the leaderboard that the gates compare with."""

    board: Leaderboard


@dataclass(frozen=True)
class Rival:
    """The live champion on the windows that the candidates were judged on."""

    judgement: Judgement
    shares: Mapping[str, float]
    """Episode of the self-test → share of its faults that it finds; empty where faults are known to judge by."""


def _contenders(plant: Plant) -> dict[str, PlugIn]:
    """Return baselines, then candidates, by their names on the leaderboard."""
    return labels((*baselines_of(plant), *plant.candidates))


def _prepared(job: Job) -> Preparation:
    """Prepare once for all candidates: one imputer, one normaliser, one copy of the rows."""

    def make() -> Preparation:
        table = job.table
        ready = prepare(job.plant, table.every, table.part, table.faults, table.flags)
        table.every.give_back()
        if ready.selection:
            _log.info("  note: %s", ready.selection)
        if ready.sample:
            _log.info("  note: learnt from %s of %s normal windows", *(f"{n:,}" for n in ready.sample.values()))
        _log.debug("trained on %d features and %d windows", len(ready.plan.columns), len(ready.train))
        return ready

    return job.shared.get(f"preparation {job.training.key}", make)


def _promised(result: CandidateResult) -> tuple[float, float, float] | None:
    """Return rate and interval promised for a candidate's threshold; None where the detector sets it itself."""
    promise = result.calibration
    return (promise["rate"], promise["low"], promise["high"]) if promise else None


def _judge_champion(decision: Decision, champion: Bundle) -> Judgement:
    """Judge the live champion on the same windows as the candidates."""
    space, table = decision.space, decision.table
    validated = table.rows("validate")
    rows = stored_rows(space, champion, validated)
    if rows is None:
        readings = space.store.read(tables.READINGS, version=decision.training.readings.version)
        computed = compute(champion.plan, readings)
        rows = computed[computed["window_end"].isin(validated["window_end"])].merge(
            validated[["asset_id", "window_end"]]
        )
    scores = champion.score(rows)
    return judge_scores(space.plant, "champion", "validate", scores, table.faults, champion, rows, table.flags)


def _label_gates(plant: Plant, table: TrainingTable) -> list[Gate]:
    """Check whether labels are a rule of the newest readings, or one target under two names, without the test part."""
    is_judged = table.part.isin(["train", "calibrate", "validate"])
    is_asked = np.array(table.windows["usable"] & is_judged, dtype=bool)
    sensors = [feature.name for feature in that_show(FeaturePlan.of(plant).features, "latest")]
    # Few of many windows are looked at: only these are copied.
    is_asked[is_asked] = label_rule.looked_at(table.windows.loc[is_asked, "window_end"])
    readings = table.every.where(is_asked).read(sensors)[["asset_id", "window_end", *sensors]]
    readings = readings.rename(columns={"window_end": "timestamp"})
    return [
        label_rule.label_rule(readings, sensors, table.faults),
        duplicate_target.duplicate_target(table.faults),
    ]


def _curves(scores: pd.DataFrame, faults: pd.DataFrame) -> dict[str, Any]:
    """Return ROC and precision-recall curves over the assets with faults in this part, like VUS.

    Empty where there is only one class, or where a candidate gives every window the same score.
    """
    truth = overlaps(scores.assign(window_start=scores["window_end"]), faults)
    has_fault = truth.groupby(scores["asset_id"]).transform("any")
    judged = truth[has_fault].to_numpy()
    if judged.all() or not judged.any() or scores["score"].nunique() < 2:
        return {}
    return dict(window_curves(judged, scores.loc[has_fault, "score"].to_numpy()))
