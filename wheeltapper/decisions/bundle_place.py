"""Where the bundle of a live model lies, known without MLflow, which takes seconds to open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from wheeltapper.workspace import Workspace


@dataclass(frozen=True)
class BundlePlace:
    """The folder of a bundle, in a file under the home: written when the bundle is made live.

    It is believed only because the bundle's hash is checked whenever it is read.
    """

    space: Workspace
    bundle: str
    """The bundle's hash."""

    def folder(self) -> Path | None:
        """Return the bundle's folder; None if it is not known or no longer there."""
        if not self._file.is_file():
            return None
        folder = self._home / self._file.read_text(encoding="utf-8")
        return folder if folder.is_dir() else None

    def remember(self, folder: Path) -> None:
        """Write down the folder; one under the home as seen from there, as a home may be moved."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        inside = folder.resolve().is_relative_to(self._home)
        text = str(folder.resolve().relative_to(self._home) if inside else folder.absolute())
        unfinished = self._file.with_name(f".{self._file.name}.{uuid4().hex}")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(self._file)

    @property
    def _home(self) -> Path:
        return self.space.settings.home.resolve()

    @property
    def _file(self) -> Path:
        return self._home / "live" / self.space.plant.name / f"{self.bundle}.txt"
