"""Objective: one question that a plant asks about its machines, and everything that depends on the question.

A training has the same steps for all objectives: open the run, train every candidate as a run of its own, rank them
under their baselines, check the gates, record the verdict. An objective decides the rows to train on, the model, how it
is judged and ranked, and the gates that it has to pass. One objective is one file in ``objectives/``.
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
    """A fitted candidate that can be stored and read back."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Features that the model needs."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages that the model needs to answer."""

    def write(self, folder: Path) -> str:
        """Write the model as a bundle (see `wheeltapper.manifest`) and return the bundle's hash."""

    def example(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return a few example rows of its input, with exactly its columns."""


@dataclass(frozen=True)
class Job:
    """One candidate to train, with its data."""

    space: Workspace
    training: Training
    label: str
    """The candidate's name on the leaderboard."""
    candidate: PlugIn
    run_id: str
    """Its run in MLflow."""
    table: TrainingTable
    provenance: Mapping[str, Any]
    """Origin of the model, to be written into its bundle."""
    shared: Shared
    """Objects that the candidates of this training share."""

    @property
    def plant(self) -> Plant:
        """The plant."""
        return self.space.plant


@dataclass(frozen=True)
class Trained:
    """Result of training one candidate."""

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
    """Its answers on the validate part, where figures are drawn of them."""
    alarms: pd.DataFrame | None = None
    """Alarms from these answers; None where the objective raises none."""
    self_test: SelfTest | None = None
    curves: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    search: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    """More settings for MLflow, beside the options."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The candidates of one training in order."""

    order: tuple[str, ...]
    """Candidates without baselines, the best first."""
    ranked_by: str
    """The rule of this order, as a phrase."""
    rows: Sequence[Mapping[str, Any]]
    """Lines of the leaderboard, baselines first; each with ``candidate`` and ``is_baseline``."""
    text: str
    """The leaderboard as plain text."""
    notes: tuple[str, ...] = ()


class Objective(ABC):
    """One question that a plant asks; ``options`` are the settings under the objective's name in its YAML."""

    answer: ClassVar[tuple[str, ...]]
    """Columns of an answer, beside the asset and the window that it is about."""
    settings_used: ClassVar[frozenset[str]] = frozenset(
        {"asset_type", "cleaning", "windows", "features", "select", "normalise", "parts", "seed"}
    )
    """Fields of the plant that its training depends on, beside its own options."""
    example_options: ClassVar[Mapping[str, Any]] = {}
    """Options that contract tests use."""
    name: str
    """Name in the plant's YAML, which is the name of its file."""
    code: str = ""
    """Hash of its file where it is not part of the package; see `PlugIns.digest`."""

    @property
    def options(self) -> dict[str, Any]:
        """Settings under the objective's name in the YAML, as JSON."""
        return {}

    @property
    def embargo(self) -> timedelta:
        """Time beyond a window's end that its label depends on; rows this close before a cut belong to no part."""
        return timedelta(0)

    def settings(self, plant: Plant) -> str:
        """Return the hash of all settings that its training and verdict depend on, without the data."""
        content = plant.model_dump(mode="json", include=set(self.settings_used))
        code = [self.code, plant.plug_ins.digests(FEATURE_SETS)]
        return _hash([self.name, self.options, code, content, __version__])

    def training_key(self, plant: Plant, digests: Sequence[str]) -> str:
        """Return the key of a training: the same for the same plant, objective, settings and data."""
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
            If there is too little training data.
        """

    @abstractmethod
    def read(self, plant: Plant, folder: Path, expected: str) -> Model:
        """Read a model back, after its manifest has been verified."""

    @abstractmethod
    def rank(self, results: Sequence[CandidateResult]) -> Ranking:
        """Put the candidates in order, under their baselines."""

    @abstractmethod
    def gates(self, decision: Decision, result: CandidateResult) -> list[Gate]:
        """Check every gate that decides whether one candidate may go live.

        Where there is a champion, the gate ``beats_champion`` must be included.
        """

    def judge_champion(self, decision: Decision, folder: Path, expected: str) -> Any:
        """Judge the live model on the same rows as the candidates, and return it as the rival."""
        return self.read(decision.space.plant, folder, expected)

    def champion_is_outdated(self, space: Workspace, bundle: str) -> list[str]:  # noqa: ARG002
        """Return why the live model must not be compared with; empty where it may."""
        return []

    def rival_judgement(self, rival: Any) -> dict[str, Any] | None:  # noqa: ARG002
        """Return the champion's figures on the validate part as JSON; None where there are none."""
        return None

    def test(self, decision: Decision, chosen: str) -> list[dict[str, Any]]:  # noqa: ARG002
        """Judge the chosen candidate and the baselines on the test part, once; the result decides nothing."""
        return []

    def caveats(self, plant: Plant, chosen: CandidateResult | None) -> list[str]:  # noqa: ARG002
        """Return notes for readers of the leaderboard, beside its figures."""
        return []


@dataclass(frozen=True)
class Decision:
    """Everything that a verdict is based on."""

    space: Workspace
    training: Training
    results: Mapping[str, CandidateResult]
    """By label."""
    table: TrainingTable
    shared: Shared
    ranking: Ranking
    rival: Any = None
    """The champion as the objective judged it; None without one."""


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
