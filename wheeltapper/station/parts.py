"""The parts that `up` has started, on record in a file: their processes are recognised and ended by it later."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from wheeltapper.config import Settings
from wheeltapper.errors import WheeltapperError
from wheeltapper.station import processes


@dataclass(frozen=True)
class Part:
    """One server, or the worker, that `up` has started."""

    pid: int
    born: str
    """When its process was started, see `wheeltapper.station.processes.born`."""
    url: str
    """Where it answers; for the worker, the server that it works for."""

    @property
    def is_alive(self) -> bool:
        """True while its process lives."""
        return processes.born(self.pid) == self.born


def recorded(settings: Settings) -> dict[str, Part]:
    """Return all parts that `up` started, killed ones included, by name."""
    path = state_file(settings)
    if not path.is_file():
        return {}
    content: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return {name: Part(int(entry["pid"]), entry["born"], entry["url"]) for name, entry in content.items()}


def running(settings: Settings) -> dict[str, Part]:
    """Return the parts that `up` started and that are still alive, by name."""
    return {name: part for name, part in recorded(settings).items() if part.is_alive}


def record(
    settings: Settings, parts: Mapping[str, Part], name: str, process: subprocess.Popen[bytes], url: str
) -> dict[str, Part]:
    """Record a part that was just started, so that `run`, `status` and `down` find it whatever happens next.

    Returns
    -------
    dict
        The parts given, with the new one.
    """
    born = processes.born(process.pid)
    if born is None:
        raise WheeltapperError(f"{name} ended as soon as it was started; see {log_file(settings, name)}")
    parts = {**parts, name: Part(process.pid, born, url)}
    content = {part_name: asdict(part) | {"pid": str(part.pid)} for part_name, part in parts.items()}
    path = state_file(settings)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(path)
    return parts


def end(parts: Iterable[Part]) -> None:
    """End the processes of parts, and everything that these started."""
    processes.end_groups({part.pid: part.born for part in parts})


def state_file(settings: Settings) -> Path:
    """Return the file that records what `up` started."""
    return settings.home.resolve() / "servers.json"


def log_file(settings: Settings, name: str) -> Path:
    """Return where a part's output goes."""
    return settings.home.resolve() / "logs" / f"{name}.log"
