"""What is compiled is kept between processes, and never used after its source has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wheeltapper import compiled
from wheeltapper.features.kernels import minimal

TWICE = "from wheeltapper.compiled import compiled\n\n@compiled\ndef twice(x):\n    return {}\n"
FOUR = "from _shared import twice\n{}\n@compiled\ndef four(x):\n    return twice(twice(x))\nprint(four(3.0))\n"


def run(folder: Path) -> str:
    """Run the program below in a process of its own and return what it prints."""
    root = Path(compiled.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(folder)])}
    command = [sys.executable, "-W", "error", str(folder / "four.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_a_change_in_a_shared_file_is_seen(tmp_path: Path) -> None:
    """A function that calls one of a shared file gives the new value once that file says something else."""
    (tmp_path / "_shared.py").write_text(TWICE.format("2 * x"))
    (tmp_path / "four.py").write_text(FOUR.format(TWICE.partition("\n")[0]))
    assert run(tmp_path) == "12.0"
    assert list(tmp_path.glob("__pycache__/four.four-*.nbc")), "nothing was kept for the next process"
    (tmp_path / "_shared.py").write_text(TWICE.format("3 * x"))
    assert run(tmp_path) == "27.0"


def test_kernels_are_kept() -> None:
    """The kernels themselves go through this cache, with this stamp."""
    cache = minimal._ten._cache._cache_file  # type: ignore[attr-defined]
    assert cache._source_stamp == compiled.stamp(Path(minimal.__file__))


def test_where_nothing_can_be_written_each_process_compiles(monkeypatch) -> None:
    """Without a folder for the cache (a read-only installation without a home) a function still works."""
    from numba.core import caching

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiled.compiled(lambda x: x + 1)(1.0) == 2.0
