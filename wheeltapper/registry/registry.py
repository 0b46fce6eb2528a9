"""The only door to MLflow: runs, models and which of them is live.

Every call names its run, so candidates can train in parallel threads. What was already done is found again and not
done twice: runs by their key, models and versions by their bundle's hash. MLflow itself lets the last writer of an
alias win; here a promotion names the champion that it expects, under a lock, and exactly one of two racing ones wins.
A model is logged as plain files with a signature, and is read through `wheeltapper.manifest`: never by MLflow's loader.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from filelock import FileLock, Timeout

from wheeltapper import faultpoints, manifest
from wheeltapper.errors import BundleError, RegistryError
from wheeltapper.registry import moving
from wheeltapper.registry.database import connect, local_path, patiently, quieten, quoted, sqlite_file
from wheeltapper.registry.records import (
    BUNDLE,
    FOLDER,
    MODEL,
    Dataset,
    Version,
    as_row,
    as_text,
    as_version,
    dataset_input,
    linked,
    model_name,
    models_of,
    new_metrics,
    write_model,
)

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

__all__ = ["CHALLENGER", "CHAMPION", "PREVIOUS", "Dataset", "Registry", "Status", "Version"]

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"

_KEY, _ROLE = "wheeltapper.run", "wheeltapper.role"
_PARENT, _VERSIONS = "mlflow.parentRunId", "mlflow.modelVersions"
_LOCK_SECONDS = 120

Status = Literal["FINISHED", "FAILED", "KILLED"]


class Registry:
    """MLflow's database and files of this machine, for one experiment.

    Parameters
    ----------
    tracking_uri : str
        ``sqlite:///…`` or the address of an MLflow server.
    artifacts : Path
        Folder of MLflow's files.
    experiment : str
        Name of the plant.
    """

    def __init__(self, tracking_uri: str, artifacts: Path, experiment: str) -> None:
        self.tracking_uri = tracking_uri
        self.artifacts = artifacts
        self.experiment = experiment
        self._opening = threading.Lock()
        self._opened: tuple[MlflowClient, str] | None = None

    # -- the database ----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make or migrate the database and the experiment, once, whoever comes first; says nothing.

        Raises
        ------
        RegistryError
            If the database cannot be opened, or the experiment was deleted.
        """
        self._open()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process and thread at a time find or change what must exist once."""
        self._open()
        with self._alone():
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock beside the database (beside the files, where the database is elsewhere)."""
        place = sqlite_file(self.tracking_uri) or self.artifacts / "registry"
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.with_name(place.name + ".lock"), timeout=_LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout as error:
            raise RegistryError(
                f"another process has held {lock.lock_file} for {_LOCK_SECONDS} s. Wait for it to end, or end it."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _open(self) -> tuple[MlflowClient, str]:
        """Return MLflow's client and the experiment's id."""
        with self._opening:
            if self._opened is None:
                quieten()
                with self._alone():
                    client = connect(self.tracking_uri)
                    database = sqlite_file(self.tracking_uri)
                    if database is not None:
                        moving.follow(database, self.artifacts)
                    self._opened = client, self._find_experiment(client)
            return self._opened

    def _find_experiment(self, client: MlflowClient) -> str:
        found = patiently(client.get_experiment_by_name, self.experiment)
        if found is None:
            self.artifacts.mkdir(parents=True, exist_ok=True)
            place = self.artifacts.resolve().as_uri() if sqlite_file(self.tracking_uri) else None
            # The kind keeps the UI from asking whether this is about language models.
            tags = {"mlflow.experimentKind": "custom_model_development"}
            return str(patiently(client.create_experiment, self.experiment, artifact_location=place, tags=tags))
        if found.lifecycle_stage != "active":
            raise RegistryError(
                f"the experiment '{self.experiment}' was deleted in MLflow. Bring it back with: "
                f"mlflow experiments restore --experiment-id {found.experiment_id}"
            )
        return str(found.experiment_id)

    def _ask(self, method: str, /, *args: Any, **options: Any) -> Any:
        """Call one of the client's methods; wait for a busy database, and turn a refusal into our own error."""
        client, _ = self._open()
        return patiently(getattr(client, method), *args, **options)

    # -- runs ------------------------------------------------------------------------------------------------------

    def parent_run(
        self,
        run_key: str,
        name: str,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> str:
        """Find or create the run of a whole training; one that was interrupted is taken up again.

        Parameters
        ----------
        run_key : str
            What makes the training what it is, such as the hash of its data versions and configuration.

        Returns
        -------
        str
            MLflow's id of the run.
        """
        run_id = self._run(run_key, name, {_ROLE: "parent"})
        self.log(run_id, params=params, tags=tags)
        return run_id

    def candidate_run(self, parent_id: str, candidate_key: str, name: str) -> str:
        """Find or create the run of one candidate below its training; an interrupted one is taken up again."""
        return self._run(candidate_key, name, {_ROLE: "candidate", _PARENT: parent_id})

    def trial_run(self, candidate_id: str, trial_key: str, name: str) -> str:
        """Find or create the run of one trial of a search below its candidate; an interrupted one is taken up again."""
        return self._run(trial_key, name, {_ROLE: "trial", _PARENT: candidate_id})

    def _run(self, key: str, name: str, tags: dict[str, str]) -> str:
        wanted = {_KEY: key, **tags}
        with self._locked():
            found = self._search_runs(" and ".join(f"tags.`{tag}` = {quoted(text)}" for tag, text in wanted.items()))
            if found:
                return self._reopen(found[0])
            source = {"mlflow.source.name": "wheeltapper", "mlflow.source.type": "LOCAL"}
            run = self._ask("create_run", self._open()[1], tags={**wanted, **source}, run_name=name)
        faultpoints.hit("registry.after_run")
        return str(run.info.run_id)

    def _reopen(self, run: Any) -> str:
        if run.info.status not in ("FINISHED", "RUNNING"):
            self._ask("update_run", run.info.run_id, status="RUNNING")
        return str(run.info.run_id)

    def _search_runs(self, condition: str, *, experiment_id: str | None = None, limit: int | None = None) -> list[Any]:
        """Return the runs that fulfil a condition, the newest first."""
        where = [experiment_id or self._open()[1]]
        order = ["attributes.start_time DESC"]
        runs: list[Any] = []
        token = None
        while True:
            page = self._ask(
                "search_runs", where, condition, max_results=limit or 1000, order_by=order, page_token=token
            )
            runs.extend(page)
            token = page.token
            if not token or limit:
                return runs

    def finished(self, run_id: str) -> bool:
        """Say whether a run came to its end (and need not be done again)."""
        return bool(self._ask("get_run", run_id).info.status == "FINISHED")

    def finish(self, run_id: str, status: Status = "FINISHED") -> None:
        """End a run; ending it the same way twice changes nothing."""
        if self._ask("get_run", run_id).info.status != status:
            self._ask("set_terminated", run_id, status=status)

    def end_others(self, *run_keys: str) -> None:
        """Mark as killed what killed trainings left running, but for the trainings that are taken up now.

        To be called by the only process that trains on this experiment.
        """
        for run in self._search_runs("attributes.status = 'RUNNING'"):
            key = run.data.tags.get(_KEY, "")
            if key and key.partition(":")[0] not in run_keys:
                self.finish(run.info.run_id, "KILLED")

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
        """Write down what a run was given and what came out; the same again changes nothing.

        Parameters
        ----------
        params : mapping, optional
            Settings; a setting that was written once cannot change.
        metrics : mapping, optional
            Figures; they are shown at the run's model, too. NaN means that there is none.
        figures : mapping, optional
            Name with its ending (``severity.png``) → a Matplotlib figure or the path of a picture.
        documents : mapping, optional
            Name with its ending (``gates.json``, ``verdict.txt``) → a text, or anything that JSON can say.

        Raises
        ------
        RegistryError
            If MLflow refuses, for example because a parameter has another value already.
        """
        run = self._ask("get_run", run_id)
        self._log_values(run, params or {}, metrics or {}, tags or {})
        for name, figure in (figures or {}).items():
            self._log_figure(run_id, name, figure)
        for name, document in (documents or {}).items():
            text = document if isinstance(document, str) else json.dumps(document, indent=2, ensure_ascii=False)
            self._ask("log_text", run_id, text, name)
        if datasets:
            # MLflow looks for a data set and then inserts it: candidates of one training that do so at once collide.
            with self._locked():
                self._ask("log_inputs", run_id, datasets=[dataset_input(one) for one in datasets])

    def _log_values(
        self, run: Any, params: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> None:
        from mlflow.entities import Param, RunTag

        values = new_metrics(run, metrics)
        every = settings = [Param(name, as_text(value)) for name, value in params.items()]
        labels = [RunTag(name, str(text)) for name, text in tags.items()]
        # MLflow takes at most 100 parameters, 100 tags and 1000 figures at a time.
        while settings or values or labels:
            self._ask("log_batch", run.info.run_id, metrics=values[:800], params=settings[:100], tags=labels[:100])
            values, settings, labels = values[800:], settings[100:], labels[100:]
        for model in models_of(run):
            known = self._ask("get_logged_model", model).params
            if unknown := {one.key: one.value for one in every if one.key not in known}:
                self._ask("log_model_params", model, unknown)

    def _log_figure(self, run_id: str, name: str, figure: Any) -> None:
        if isinstance(figure, (str, Path)):
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(figure, copy)
                self._ask("log_artifacts", run_id, folder, "figures")
        else:
            self._ask("log_figure", run_id, figure, f"figures/{name}")

    # -- bundles ---------------------------------------------------------------------------------------------------

    def log_bundle(
        self,
        run_id: str,
        folder: Path,
        signature_columns: Sequence[str],
        requirements: Sequence[str],
        example: pd.DataFrame | None = None,
    ) -> str:
        """Keep a bundle as the run's model: its verified files, a signature, and nothing that can run.

        Parameters
        ----------
        folder : Path
            A bundle, as `wheeltapper.manifest.write` leaves it.
        signature_columns : sequence of str
            What the model needs: columns of numbers, in their order.
        requirements : sequence of str
            Packages and versions that can score it, as pip writes them.
        example : DataFrame, optional
            A few rows to show what goes in.

        Returns
        -------
        str
            ``models:/m-…``; the same one when the same bundle of the same run is logged again.

        Raises
        ------
        BundleError
            If the folder does not match its manifest.
        """
        files = manifest.read(folder)
        bundle = manifest.fingerprint(files)
        model = self._find_model(run_id, bundle)
        if not _is_kept(model, bundle):
            with tempfile.TemporaryDirectory() as place:
                write_model(
                    Path(place),
                    model=model,
                    files=files,
                    bundle=bundle,
                    columns=signature_columns,
                    requirements=requirements,
                    example=example,
                )
                self._ask("log_model_artifacts", model.model_id, place)
            self._show_model(run_id, model.model_id, bundle)
            self._ask("finalize_logged_model", model.model_id, "READY")
        faultpoints.hit("registry.after_bundle")
        return f"models:/{model.model_id}"

    def _find_model(self, run_id: str, bundle: str) -> Any:
        """Find or create the run's model of this bundle."""
        _, experiment_id = self._open()
        condition = f"source_run_id = {quoted(run_id)} AND tags.`{BUNDLE}` = {quoted(bundle)}"
        with self._locked():
            found = list(self._ask("search_logged_models", [experiment_id], condition))
            if found:
                return found[0]
            run = self._ask("get_run", run_id)
            return self._ask(
                "create_logged_model",
                experiment_id,
                name=run.info.run_name,
                source_run_id=run_id,
                tags={BUNDLE: bundle},
                params=run.data.params,
                model_type="wheeltapper",
            )

    def _show_model(self, run_id: str, model_id: str, bundle: str) -> None:
        """Link a model to its run, both ways, with the figures that the run has already."""
        from mlflow.entities import LoggedModelOutput

        run = self._ask("get_run", run_id)
        if model_id not in models_of(run):
            self._ask("log_outputs", run_id, [LoggedModelOutput(model_id, step=0)])
        known = [self._ask("get_metric_history", run_id, name)[-1] for name in run.data.metrics]
        if known:
            self._ask("log_batch", run_id, metrics=[linked(metric, model_id) for metric in known])
        self.log(run_id, tags={BUNDLE: bundle, MODEL: f"models:/{model_id}"})

    # -- versions and aliases --------------------------------------------------------------------------------------

    def register(self, plant: str, objective: str, model_uri: str, run_id: str, bundle_hash: str) -> int:
        """Give a model its version among those of a plant's objective; the same bundle gets the same version again."""
        name = model_name(plant, objective)
        model_id = model_uri.removeprefix("models:/")
        with self._locked():
            known = [one.version for one in self.versions(plant, objective) if one.bundle == bundle_hash]
            number = known[0] if known else self._make_version(name, model_uri, run_id, bundle_hash)
            self._show_version(model_id, name, number)
        faultpoints.hit("registry.after_register")
        return number

    def _make_version(self, name: str, model_uri: str, run_id: str, bundle: str) -> int:
        if self._lookup("get_registered_model", name) is None:
            self._ask("create_registered_model", name)
        model_id = model_uri.removeprefix("models:/")
        # The place itself, not models:/…: that one MLflow would look up in whatever database is its default.
        source = self._ask("get_logged_model", model_id).artifact_location
        tags = {BUNDLE: bundle, MODEL: model_uri}
        made = self._ask("create_model_version", name, source, run_id=run_id, tags=tags, model_id=model_id)
        return int(made.version)

    def _show_version(self, model_id: str, name: str, number: int) -> None:
        """Let MLflow's page of the model name its version (the tag that its own registration writes)."""
        shown = json.loads(self._ask("get_logged_model", model_id).tags.get(_VERSIONS, "[]"))
        entry = {"name": name, "version": number}
        if entry not in shown:
            self._ask("set_logged_model_tags", model_id, {_VERSIONS: json.dumps([*shown, entry])})

    def _lookup(self, method: str, *args: Any) -> Any:
        """Call one of the client's methods; None where MLflow knows no such thing."""
        try:
            return self._ask(method, *args)
        except RegistryError as error:
            code = getattr(error.__cause__, "error_code", None)
            # An alias that is not set is an invalid parameter to MLflow.
            if code == "RESOURCE_DOES_NOT_EXIST" or (code == "INVALID_PARAMETER_VALUE" and "alias" in str(error)):
                return None
            raise

    def versions(self, plant: str, objective: str) -> list[Version]:
        """List all versions of a plant's objective, the newest first."""
        name = model_name(plant, objective)
        found: list[Any] = []
        token = None
        while True:
            page = self._ask("search_model_versions", f"name = {quoted(name)}", max_results=1000, page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                break
        model = self._lookup("get_registered_model", name)
        aliases = dict(model.aliases) if model is not None else {}
        listed = [as_version(plant, objective, one, aliases) for one in found]
        return sorted(listed, key=lambda one: one.version, reverse=True)

    def champion(self, plant: str, objective: str) -> Version | None:
        """Return the version that is live, or None."""
        return self.at(plant, objective, CHAMPION)

    def challenger(self, plant: str, objective: str) -> Version | None:
        """Return the version that scores in the shadow, or None."""
        return self.at(plant, objective, CHALLENGER)

    def at(self, plant: str, objective: str, alias: str) -> Version | None:
        """Return the version that an alias (``champion``, ``challenger``, ``previous``) points at, or None."""
        name = model_name(plant, objective)
        model = self._lookup("get_registered_model", name)
        if model is None or alias not in model.aliases:
            return None
        number = model.aliases[alias]
        return as_version(plant, objective, self._ask("get_model_version", name, number), dict(model.aliases))

    def set_alias(self, plant: str, objective: str, alias: str, version: int, *, expected: int | None) -> None:
        """Point an alias at a version, if it still points where the caller believes.

        A new champion leaves its predecessor's version under ``previous``. An alias that is at ``version``
        already is left as it is: whoever asked was here before.

        Parameters
        ----------
        expected : int or None
            The version that the alias points at now; None if it is not set.

        Raises
        ------
        RegistryError
            If someone else moved the alias meanwhile, or there is no such version.
        """
        name = model_name(plant, objective)
        with self._locked():
            current = self._require_alias(plant, objective, alias, version, expected)
            if current == version:
                return
            if self._lookup("get_model_version", name, str(version)) is None:
                raise RegistryError(
                    f"{name} has no version {version} (it has: "
                    f"{', '.join(str(one.version) for one in self.versions(plant, objective)) or 'none'})."
                )
            # The champion's alias comes last: it alone decides, and until it moves nothing has happened.
            if alias == CHAMPION and current is not None:
                self._ask("set_registered_model_alias", name, PREVIOUS, str(current))
            self._ask("set_registered_model_alias", name, alias, str(version))
        faultpoints.hit("registry.after_alias")

    def drop_alias(self, plant: str, objective: str, alias: str, *, expected: int | None) -> None:
        """Take an alias away, if it still points where the caller believes; one that is not set stays so.

        Raises
        ------
        RegistryError
            If someone else moved the alias meanwhile.
        """
        with self._locked():
            if self._require_alias(plant, objective, alias, None, expected) is not None:
                self._ask("delete_registered_model_alias", model_name(plant, objective), alias)

    def _require_alias(
        self, plant: str, objective: str, alias: str, wanted: int | None, expected: int | None
    ) -> int | None:
        found = self.at(plant, objective, alias)
        current = None if found is None else found.version
        if current not in (expected, wanted):
            raise RegistryError(
                f"{model_name(plant, objective)}: expected {alias} to be {_said(expected)}, but it is "
                f"{_said(current)}: someone else changed it meanwhile. Nothing was changed; look again and decide anew."
            )
        return current

    def download(self, version: Version, into: Path | None = None) -> Path:
        """Return the folder of a version's bundle, to be read with ``manifest.read(folder, version.bundle)``.

        Parameters
        ----------
        into : Path, optional
            Where to copy the files. Without it, files that lie on this machine are used where they are,
            others are fetched into a new temporary folder.
        """
        return self._fetch(f"{version.source.rstrip('/')}/{FOLDER}", into)

    def bundle_folder(self, model_uri: str) -> Path:
        """Return the folder of a logged bundle that need not be registered, for ``manifest.read``."""
        model = self._ask("get_logged_model", model_uri.removeprefix("models:/"))
        return self._fetch(f"{model.artifact_location.rstrip('/')}/{FOLDER}", None)

    def _fetch(self, place: str, into: Path | None) -> Path:
        """Return a folder of the artefact store: in place if it lies on this machine and no copy is asked for."""
        local = local_path(place)
        if local is not None and into is None:
            return local
        from mlflow.artifacts import download_artifacts

        target = into or Path(tempfile.mkdtemp(prefix="wheeltapper-"))
        target.mkdir(parents=True, exist_ok=True)
        self._open()
        found = patiently(download_artifacts, artifact_uri=place, dst_path=str(target), tracking_uri=self.tracking_uri)
        return Path(found)

    # -- looking ---------------------------------------------------------------------------------------------------

    def document(self, run_id: str, name: str) -> Any:
        """Return a JSON document of a run.

        Raises
        ------
        RegistryError
            If the run has no such document.
        """
        with tempfile.TemporaryDirectory() as place:
            try:
                path = Path(self._ask("download_artifacts", run_id, name, place))
            except RegistryError as error:
                raise RegistryError(f"run {run_id} has no document '{name}' that can be read: {error}") from error
            return json.loads(path.read_text(encoding="utf-8"))

    def candidates(self, parent_run: str) -> list[dict[str, Any]]:
        """List what a training tried, by name: ``name, params, metrics, tags, run_id, status, model_uri``.

        Of a candidate's run: the trials of its search.
        """
        found = self._search_runs(f"tags.`{_PARENT}` = {quoted(parent_run)}")
        return sorted((as_row(run) for run in found), key=lambda row: (str(row["name"]), str(row["run_id"])))

    def page(self, server: str, run_id: str | None = None) -> str:
        """Return the address of the plant's page (or a run's) in MLflow's UI, in its view for training models."""
        run = f"/{run_id}" if run_id else ""
        return f"{server.rstrip('/')}/#/experiments/{self._open()[1]}/runs{run}?workflowType=machine_learning"

    def leaderboard_page(self, server: str, parent_run: str, metric: str) -> str:
        """Return the address of a training's candidates in MLflow's UI, the highest figure first."""
        only = quote(f"tags.`{_PARENT}` = {quoted(parent_run)}")
        order = quote(f"metrics.`{metric}`")
        return f"{self.page(server)}&searchFilter={only}&orderByKey={order}&orderByAsc=false"

    def last_run(self, plant: str) -> dict[str, Any] | None:
        """Return a plant's latest training that came to its end, as a row of `candidates`; None if there is none."""
        experiment = self._ask("get_experiment_by_name", plant)
        if experiment is None or experiment.lifecycle_stage != "active":
            return None
        condition = f"tags.`{_ROLE}` = 'parent' and attributes.status = 'FINISHED'"
        found = self._search_runs(condition, experiment_id=experiment.experiment_id, limit=1)
        return as_row(found[0]) if found else None


def _is_kept(model: Any, bundle: str) -> bool:
    """Say whether a model's files all arrived, and (on this machine) were not lost since."""
    if str(model.status) != "READY":
        return False
    folder = local_path(f"{model.artifact_location}/{FOLDER}")
    try:
        return folder is None or manifest.verify(folder, bundle) == bundle
    except BundleError:
        return False


def _said(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"
