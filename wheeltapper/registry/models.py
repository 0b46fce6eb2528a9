"""Models: bundles that runs have logged, the versions under which they are registered, and their files.

A model is logged as plain files with a signature. `wheeltapper.manifest` reads it, never MLflow's loader.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheeltapper import faultpoints, manifest
from wheeltapper.registry import model_files
from wheeltapper.registry.client import Client, patiently
from wheeltapper.registry.names import (
    BUNDLE,
    MODEL,
    VERSIONS,
    id_of_model,
    model_name,
    quoted,
    tagged,
    uri_of_model,
)
from wheeltapper.registry.records import metric_of_model, models_of
from wheeltapper.registry.runs import Runs
from wheeltapper.registry.versions import Version, as_version

if TYPE_CHECKING:
    import pandas as pd


class Models:
    """The models that the runs of one experiment have logged."""

    def __init__(self, client: Client, runs: Runs) -> None:
        self._client = client
        self._runs = runs

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
            The model's inputs: columns of numbers, in their order.
        requirements : sequence of str
            Packages and versions that can score it, as pip writes them.
        example : DataFrame, optional
            A few rows of input.

        Returns
        -------
        str
            ``models:/m-…``; the same one if the same bundle of the same run is logged again.

        Raises
        ------
        BundleError
            If the folder does not match its manifest.
        """
        files = manifest.read(folder)
        bundle = manifest.fingerprint(files)
        model = self._find_or_create(run_id, bundle)
        if not model_files.are_complete(model, bundle):
            with tempfile.TemporaryDirectory() as place:
                model_files.write(
                    Path(place),
                    model=model,
                    files=files,
                    bundle=bundle,
                    columns=signature_columns,
                    requirements=requirements,
                    example=example,
                )
                self._client.call("log_model_artifacts", model.model_id, place)
            self._link_to_run(run_id, model.model_id, bundle)
            self._client.call("finalize_logged_model", model.model_id, "READY")
        faultpoints.hit("registry.after_bundle")
        return uri_of_model(model.model_id)

    def _find_or_create(self, run_id: str, bundle: str) -> Any:
        """Find or create the run's model of this bundle."""
        experiment = self._client.experiment_id
        condition = f"source_run_id = {quoted(run_id)} AND {tagged({BUNDLE: bundle})}"
        with self._client.locked():
            matches = list(self._client.call("search_logged_models", [experiment], condition))
            if matches:
                return matches[0]
            run = self._client.call("get_run", run_id)
            return self._client.call(
                "create_logged_model",
                experiment,
                name=run.info.run_name,
                source_run_id=run_id,
                tags={BUNDLE: bundle},
                params=run.data.params,
                model_type="wheeltapper",
            )

    def _link_to_run(self, run_id: str, model_id: str, bundle: str) -> None:
        """Link a model and its run, both ways, and show the run's figures at the model."""
        from mlflow.entities import LoggedModelOutput

        run = self._client.call("get_run", run_id)
        if model_id not in models_of(run):
            self._client.call("log_outputs", run_id, [LoggedModelOutput(model_id, step=0)])
        latest = [self._client.call("get_metric_history", run_id, name)[-1] for name in run.data.metrics]
        if latest:
            self._client.call("log_batch", run_id, metrics=[metric_of_model(metric, model_id) for metric in latest])
        self._runs.log(run_id, tags={BUNDLE: bundle, MODEL: uri_of_model(model_id)})

    # -- versions --------------------------------------------------------------------------------------------------

    def register(self, plant: str, objective: str, model_uri: str, run_id: str, bundle_hash: str) -> int:
        """Give a model a version among those of a plant's objective; the same bundle gets the same version again."""
        name = model_name(plant, objective)
        with self._client.locked():
            same = [version.version for version in self.versions(plant, objective) if version.bundle == bundle_hash]
            number = same[0] if same else self._create_version(name, model_uri, run_id, bundle_hash)
            self._show_version(id_of_model(model_uri), name, number)
        faultpoints.hit("registry.after_register")
        return number

    def _create_version(self, name: str, model_uri: str, run_id: str, bundle: str) -> int:
        if self._client.lookup("get_registered_model", name) is None:
            self._client.call("create_registered_model", name)
        model_id = id_of_model(model_uri)
        # The place itself, not models:/…: MLflow would look that up in its default database.
        source = self._client.call("get_logged_model", model_id).artifact_location
        tags = {BUNDLE: bundle, MODEL: model_uri}
        version = self._client.call("create_model_version", name, source, run_id=run_id, tags=tags, model_id=model_id)
        return int(version.version)

    def _show_version(self, model_id: str, name: str, number: int) -> None:
        """Let MLflow's page of the model show its version (with the tag that MLflow's own registration writes)."""
        shown = json.loads(self._client.call("get_logged_model", model_id).tags.get(VERSIONS, "[]"))
        entry = {"name": name, "version": number}
        if entry not in shown:
            self._client.call("set_logged_model_tags", model_id, {VERSIONS: json.dumps([*shown, entry])})

    def versions_of_plant(self, plant: str) -> list[Version]:
        """List all versions of a plant's objectives: by objective, the newest first."""
        names = [model.name for model in self._client.search("search_registered_models", f"name LIKE '{plant}.%'")]
        return [version for name in sorted(names) for version in self.versions(plant, name.partition(".")[2])]

    def versions(self, plant: str, objective: str) -> list[Version]:
        """List all versions of a plant's objective, the newest first."""
        name = model_name(plant, objective)
        registered = self._client.search("search_model_versions", f"name = {quoted(name)}")
        model = self._client.lookup("get_registered_model", name)
        aliases = dict(model.aliases) if model is not None else {}
        versions = [as_version(plant, objective, version, aliases) for version in registered]
        return sorted(versions, key=lambda version: version.version, reverse=True)

    # -- files -----------------------------------------------------------------------------------------------------

    def download(self, version: Version, into: Path | None = None) -> Path:
        """Return the folder of a version's bundle, to be read with ``manifest.read(folder, version.bundle)``.

        Parameters
        ----------
        into : Path, optional
            Where to copy the files. Without it, files that lie on this machine are used where they are,
            others are downloaded to a new temporary folder.
        """
        return self._fetch(model_files.bundle_uri(version.source), into)

    def bundle_folder(self, model_uri: str) -> Path:
        """Return the folder of a logged bundle that need not be registered, for ``manifest.read``."""
        model = self._client.call("get_logged_model", id_of_model(model_uri))
        return self._fetch(model_files.bundle_uri(model.artifact_location), None)

    def _fetch(self, uri: str, into: Path | None) -> Path:
        """Return a folder of the artefact store: the folder itself if it lies on this machine, else a copy."""
        local = model_files.local_path(uri)
        if local is not None and into is None:
            return local
        self._client.open()
        from mlflow.artifacts import download_artifacts

        target = into or Path(tempfile.mkdtemp(prefix="wheeltapper-"))
        target.mkdir(parents=True, exist_ok=True)
        tracking_uri = self._client.tracking_uri
        return Path(patiently(download_artifacts, artifact_uri=uri, dst_path=str(target), tracking_uri=tracking_uri))
