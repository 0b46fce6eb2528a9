"""An open training: its key, and the versions of the tables that it uses."""

from __future__ import annotations

from dataclasses import dataclass

from wheeltapper.store import Ref


@dataclass(frozen=True)
class Training:
    """One training of one objective; it is passed between tasks instead of the tables."""

    objective: str
    key: str
    """Hash of everything that the training depends on; the same training has the same key."""
    run_id: str
    """Its run in MLflow, above those of its candidates."""
    refs: dict[str, Ref]
    """Name in `training.table.LEARNT_FROM` → the table at one version."""
    candidates: tuple[str, ...]
    """Baselines and candidates, by their names on the leaderboard."""

    @property
    def readings(self) -> Ref:
        """The table of readings."""
        return self.refs["readings"]

    @property
    def digests(self) -> dict[str, str]:
        """Table → hash of its content."""
        return {name: ref.digest for name, ref in self.refs.items()}

    @property
    def versions(self) -> dict[str, int]:
        """Table → version."""
        return {name: ref.version for name, ref in self.refs.items()}
