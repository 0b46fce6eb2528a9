"""Runs: one for each training, with one for each candidate below it, and what they record.

A run is found again by its key, so an interrupted training continues in the run that it began.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from wheeltapper import faultpoints
from wheeltapper.errors import RegistryError
from wheeltapper.registry.client import Client
from wheeltapper.registry.names import PARENT, ROLE, RUN_KEY, tagged
from wheeltapper.registry.records import Dataset, as_row, as_text, changed_metrics, dataset_input, models_of

Status = Literal["FINISHED", "FAILED", "KILLED"]

UNTAGGED = "detect"
"""The objective of runs without a tag: they come from versions that knew one objective only."""


class Runs:
    """The runs of one experiment."""

    def __init__(self, client: Client) -> None:
        self._client = client

    # -- beginning and ending --------------------------------------------------------------------------------------

    def parent_run(
        self,
        run_key: str,
        name: str,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> str:
        """Find or create the run of a whole training; an interrupted one is continued.

        Parameters
        ----------
        run_key : str
            What makes the training what it is, such as the hash of its data versions and configuration.

        Returns
        -------
        str
            MLflow's id of the run.
        """
        run_id = self._find_or_create(run_key, name, {ROLE: "parent"})
        self.log(run_id, params=params, tags=tags)
        return run_id

    def candidate_run(self, parent_id: str, candidate_key: str, name: str) -> str:
        """Find or create the run of one candidate below its training; an interrupted one is continued."""
        return self._find_or_create(candidate_key, name, {ROLE: "candidate", PARENT: parent_id})

    def trial_run(self, candidate_id: str, trial_key: str, name: str) -> str:
        """Find or create the run of one trial of a search below its candidate; an interrupted one is continued."""
        return self._find_or_create(trial_key, name, {ROLE: "trial", PARENT: candidate_id})

    def _find_or_create(self, key: str, name: str, tags: dict[str, str]) -> str:
        identity = {RUN_KEY: key, **tags}
        with self._client.locked():
            matches = self.matching(tagged(identity))
            if matches:
                return self._reopen(matches[0])
            source = {"mlflow.source.name": "wheeltapper", "mlflow.source.type": "LOCAL"}
            experiment = self._client.experiment_id
            run = self._client.call("create_run", experiment, tags={**identity, **source}, run_name=name)
        faultpoints.hit("registry.after_run")
        return str(run.info.run_id)

    def _reopen(self, run: Any) -> str:
        if run.info.status not in ("FINISHED", "RUNNING"):
            self._client.call("update_run", run.info.run_id, status="RUNNING")
        return str(run.info.run_id)

    def finished(self, run_id: str) -> bool:
        """Say whether a run is finished and need not be repeated."""
        return bool(self._client.call("get_run", run_id).info.status == "FINISHED")

    def finish(self, run_id: str, status: Status = "FINISHED") -> None:
        """End a run; ending it the same way twice changes nothing."""
        if self._client.call("get_run", run_id).info.status != status:
            self._client.call("set_terminated", run_id, status=status)

    def end_others(self, *run_keys: str) -> None:
        """Mark as killed the runs that killed trainings left running, except those of the trainings with these keys.

        Only the process that trains on this experiment may call it.
        """
        for run in self.matching("attributes.status = 'RUNNING'"):
            key = run.data.tags.get(RUN_KEY, "")
            if key and key.partition(":")[0] not in run_keys:
                self.finish(run.info.run_id, "KILLED")

    # -- recording -------------------------------------------------------------------------------------------------

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        figures: Mapping[str, Any] | None = None,
        documents: Mapping[str, Any] | None = None,
        datasets: Sequence[Dataset] = (),
    ) -> None:
        """Record the settings and results of a run; recording the same again changes nothing.

        Parameters
        ----------
        params : mapping, optional
            Settings; a setting cannot change once it is recorded.
        metrics : mapping, optional
            Figures; MLflow shows them at the run's model, too. NaN means that there is none.
        figures : mapping, optional
            Name with its ending (``severity.png``) → a Matplotlib figure, the path of a picture, or its bytes.
        documents : mapping, optional
            Name with its ending (``gates.json``, ``verdict.txt``) → a text, or anything that JSON can hold.

        Raises
        ------
        RegistryError
            If MLflow refuses, for example because a parameter already has another value.
        """
        run = self._client.call("get_run", run_id)
        self._log_values(run, params or {}, metrics or {}, tags or {})
        self._log_figures(run_id, figures or {})
        for name, document in (documents or {}).items():
            text = document if isinstance(document, str) else json.dumps(document, indent=2, ensure_ascii=False)
            self._client.call("log_text", run_id, text, name)
        if datasets:
            # MLflow looks for a data set and then inserts it: candidates that do so at the same time would collide.
            with self._client.locked():
                self._client.call("log_inputs", run_id, datasets=[dataset_input(dataset) for dataset in datasets])

    def _log_values(
        self, run: Any, params: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> None:
        from mlflow.entities import Param, RunTag

        settings = [Param(name, as_text(value)) for name, value in params.items()]
        self._log_batches(
            run.info.run_id,
            settings=settings,
            values=changed_metrics(run, metrics),
            labels=[RunTag(name, str(text)) for name, text in tags.items()],
        )
        for model in models_of(run):
            stored = self._client.call("get_logged_model", model).params
            if missing := {setting.key: setting.value for setting in settings if setting.key not in stored}:
                self._client.call("log_model_params", model, missing)

    def _log_batches(self, run_id: str, *, settings: list[Any], values: list[Any], labels: list[Any]) -> None:
        # MLflow takes at most 100 parameters, 100 tags and 1000 figures at a time.
        while settings or values or labels:
            self._client.call("log_batch", run_id, metrics=values[:800], params=settings[:100], tags=labels[:100])
            values, settings, labels = values[800:], settings[100:], labels[100:]

    def _log_figures(self, run_id: str, figures: Mapping[str, Any]) -> None:
        if not figures:
            return
        with tempfile.TemporaryDirectory() as folder:
            for name, figure in figures.items():
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(figure, bytes):
                    target.write_bytes(figure)
                elif isinstance(figure, (str, Path)):
                    shutil.copyfile(figure, target)
                else:
                    figure.savefig(target)
            self._client.call("log_artifacts", run_id, folder, "figures")

    # -- reading ---------------------------------------------------------------------------------------------------

    def document(self, run_id: str, name: str) -> Any:
        """Return a JSON document of a run.

        Raises
        ------
        RegistryError
            If the run has no such document.
        """
        with tempfile.TemporaryDirectory() as place:
            try:
                path = Path(self._client.call("download_artifacts", run_id, name, place))
            except RegistryError as error:
                raise RegistryError(f"run {run_id} has no document '{name}' that can be read: {error}") from error
            return json.loads(path.read_text(encoding="utf-8"))

    def candidates(self, parent_run: str) -> list[dict[str, Any]]:
        """List the candidates of a training by name: ``name, params, metrics, tags, run_id, status, model_uri``.

        For a candidate's run, list the trials of its search.
        """
        rows = [as_row(run) for run in self.matching(tagged({PARENT: parent_run}))]
        return sorted(rows, key=lambda row: (str(row["name"]), str(row["run_id"])))

    def last_run(self, plant: str, objective: str = UNTAGGED) -> dict[str, Any] | None:
        """Return the latest finished training of an objective, as a row of `candidates`; None if there is none."""
        experiment = self._client.call("get_experiment_by_name", plant)
        if experiment is None or experiment.lifecycle_stage != "active":
            return None
        condition = f"{tagged({ROLE: 'parent'})} and attributes.status = 'FINISHED'"
        for run in self.matching(condition, experiment_id=experiment.experiment_id):
            if run.data.tags.get("objective", UNTAGGED) == objective:
                return as_row(run)
        return None

    def matching(self, condition: str = "", *, experiment_id: str | None = None, limit: int | None = None) -> list[Any]:
        """Return MLflow's runs that fulfil a condition (all runs without one), the newest first."""
        experiments = [experiment_id or self._client.experiment_id]
        order = ["attributes.start_time DESC"]
        return self._client.search("search_runs", experiments, condition, limit=limit, order_by=order)
