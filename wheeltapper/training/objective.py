"""Objective: one question that a plant asks of its machines, and everything that differs from question to question.

A training is the same for all of them: open the run, train every candidate as a run of its own, rank them under their
baselines, ask the gates, put the verdict on record. What an objective decides is which rows are learnt from, what a
model is, how it is judged and ranked, and which gates it has to pass. One objective is one file in ``objectives/``.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pandas as pd
from pydantic import BaseModel

from wheeltapper import __version__
from wheeltapper.config import Plant, PlugIn
from wheeltapper.evaluation.gates import Gate
from wheeltapper.plugins import FEATURE_SETS
from wheeltapper.selftest.examine import SelfTest
from wheeltapper.training.result import CandidateResult
from wheeltapper.training.session import Training
from wheeltapper.training.shared import Shared
from wheeltapper.training.table import TrainingTable
from wheeltapper.workspace import Workspace


class Model(Protocol):
    """A fitted candidate that can be written down and read back."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Features that it needs."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages that it answers with."""

    def write(self, folder: Path) -> str:
        """Write it as a bundle (see `wheeltapper.manifest`) and return the bundle's hash."""

    def example(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return a few rows of what it is given, with exactly its columns."""


@dataclass(frozen=True)
class Job:
    """One candidate that is to be trained, and what it is trained on."""

    space: Workspace
    training: Training
    label: str
    """The candidate's name on the leaderboard."""
    candidate: PlugIn
    run_id: str
    """Its run in MLflow."""
    table: TrainingTable
    provenance: Mapping[str, Any]
    """What the model is made from: to be written into its bundle."""
    shared: Shared
    """Things that the candidates of this training make once."""

    @property
    def plant(self) -> Plant:
        """The plant."""
        return self.space.plant


@dataclass(frozen=True)
class Trained:
    """What became of one candidate."""

    options: PlugIn
    """The candidate with the options that it was fitted with."""
    model: Model
    judgement: BaseModel
    """Its figures on the validate part."""
    metrics: Mapping[str, float]
    """The same figures by name, for MLflow."""
    summary: str
    """The judgement in one line."""
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Its answers on the validate part, where pictures are drawn of them."""
    alarms: pd.DataFrame | None = None
    """Alarms that follow from these answers; None where an objective raises none."""
    self_test: SelfTest | None = None
    curves: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    search: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The candidates of one training in order."""

    order: tuple[str, ...]
    """Candidates without baselines, the best first."""
    ranked_by: str
    """What put them in this order, in words."""
    rows: Sequence[Mapping[str, Any]]
    """One line of the leaderboard each, baselines on top; with ``candidate`` and ``is_baseline``."""
    text: str
    """The leaderboard as plain text."""
    notes: tuple[str, ...] = ()


class Objective(ABC):
    """One question that a plant asks; ``options`` are what its YAML says under the objective's name."""

    answer: ClassVar[tuple[str, ...]]
    """Columns of an answer, beside the asset and the window that it is about."""
    settings_used: ClassVar[frozenset[str]] = frozenset(
        {"asset_type", "cleaning", "windows", "features", "select", "normalise", "parts", "seed"}
    )
    """Fields of the plant that its training depends on, beside its own options."""
    example_options: ClassVar[Mapping[str, Any]] = {}
    """Options that a contract test may ask with."""
    name: str
    """As the plant's YAML calls it: the name of its file."""
    code: str = ""
    """Hash of its file where that is not the package's own; see `PlugIns.digest`."""

    @property
    def options(self) -> dict[str, Any]:
        """What the YAML says under the objective's name, as JSON."""
        return {}

    @property
    def embargo(self) -> timedelta:
        """How far beyond a window's end its label looks; rows this close before a cut belong to no part."""
        return timedelta(0)

    def settings(self, plant: Plant) -> str:
        """Return the hash of all settings that its training and verdict depend on; the data is not among them."""
        content = plant.model_dump(mode="json", include=set(self.settings_used))
        code = [self.code, plant.plug_ins.digests(FEATURE_SETS)]
        return _hash([self.name, self.options, code, content, __version__])

    def training_key(self, plant: Plant, digests: Sequence[str]) -> str:
        """Return what names a training: the same for the same plant, objective, settings and data."""
        return _hash([plant.name, self.name, self.settings(plant), *digests])

    @abstractmethod
    def baselines(self, plant: Plant) -> dict[str, PlugIn]:
        """Return the baselines by their names on the leaderboard."""

    @abstractmethod
    def candidates(self, plant: Plant) -> dict[str, PlugIn]:
        """Return the candidates by their names on the leaderboard."""

    @abstractmethod
    def train(self, job: Job) -> Trained:
        """Fit one candidate or baseline on the train part, and judge it on the validate part.

        Raises
        ------
        DataError
            If there is too little to learn from.
        """

    @abstractmethod
    def read(self, plant: Plant, folder: Path, expected: str) -> Model:
        """Read a model back, after its manifest has been verified."""

    @abstractmethod
    def rank(self, results: Sequence[CandidateResult]) -> Ranking:
        """Put the candidates in order, under their baselines."""

    @abstractmethod
    def gates(self, decision: Decision, result: CandidateResult) -> list[Gate]:
        """Ask one candidate every question that decides whether it may go live.

        Where there is a champion, the gate ``beats_champion`` must be among them.
        """

    def judge_champion(self, decision: Decision, folder: Path, expected: str) -> Any:
        """Judge the live model on the rows that the candidates were judged on; what comes back is the rival."""
        return self.read(decision.space.plant, folder, expected)

    def champion_is_outdated(self, space: Workspace, bundle: str) -> list[str]:  # noqa: ARG002
        """Say why the live model must not be compared with; nothing where it may."""
        return []

    def rival_judgement(self, rival: Any) -> dict[str, Any] | None:  # noqa: ARG002
        """Return the champion's figures on the validate part as JSON; None where there are none."""
        return None

    def test(self, decision: Decision, chosen: str) -> list[dict[str, Any]]:  # noqa: ARG002
        """Judge the chosen candidate and the baselines on the test part; it is looked at once, and decides nothing."""
        return []

    def caveats(self, plant: Plant, chosen: CandidateResult | None) -> list[str]:  # noqa: ARG002
        """Say what a reader of the leaderboard should know beside its figures."""
        return []


@dataclass(frozen=True)
class Decision:
    """What a verdict is decided on."""

    space: Workspace
    training: Training
    results: Mapping[str, CandidateResult]
    """By label."""
    table: TrainingTable
    shared: Shared
    ranking: Ranking
    rival: Any = None
    """What the objective made of the champion; None without one."""


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
