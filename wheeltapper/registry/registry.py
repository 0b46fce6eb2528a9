"""The only door to MLflow: runs, models, and the aliases that say which model is live.

Every call names its run, so candidates can train in parallel threads. Work that is repeated finds what it made before:
runs by their key, models and versions by their bundle's hash.
"""

from __future__ import annotations

from pathlib import Path

from wheeltapper.registry.aliases import Aliases
from wheeltapper.registry.client import Client
from wheeltapper.registry.models import Models
from wheeltapper.registry.runs import Runs


class Registry:
    """The runs, models and aliases of one plant.

    It has three parts, ``runs``, ``models`` and ``aliases``, and offers the methods of all three; `prepare` opens
    the database before anything runs in parallel.

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
        self.client = Client(tracking_uri, artifacts, experiment)
        self.runs = Runs(self.client)
        self.models = Models(self.client, self.runs)
        self.aliases = Aliases(self.client, self.models)

        # The parts' methods in one place, with their signatures: most callers need two of the three parts.
        self.prepare = self.client.open

        self.parent_run = self.runs.parent_run
        self.candidate_run = self.runs.candidate_run
        self.trial_run = self.runs.trial_run
        self.finished = self.runs.finished
        self.finish = self.runs.finish
        self.end_others = self.runs.end_others
        self.log = self.runs.log
        self.document = self.runs.document
        self.candidates = self.runs.candidates
        self.last_run = self.runs.last_run

        self.log_bundle = self.models.log_bundle
        self.register = self.models.register
        self.versions = self.models.versions
        self.versions_of_plant = self.models.versions_of_plant
        self.download = self.models.download
        self.bundle_folder = self.models.bundle_folder

        self.champion = self.aliases.champion
        self.challenger = self.aliases.challenger
        self.at = self.aliases.at
        self.set_alias = self.aliases.set_alias
        self.drop_alias = self.aliases.drop_alias
