"""Free memory goes back to the system where the C library can do that, and nothing breaks where it cannot."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from wheeltapper import memory


@pytest.mark.parametrize("library", [SimpleNamespace(), SimpleNamespace(malloc_trim=lambda _spare: 1)])
def test_memory_is_given_back_with_any_c_library(monkeypatch: pytest.MonkeyPatch, library: SimpleNamespace) -> None:
    """Musl and macOS have no malloc_trim."""
    trimmed: list[int] = []
    if hasattr(library, "malloc_trim"):
        library = SimpleNamespace(malloc_trim=trimmed.append)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    memory.give_back()
    assert trimmed == ([0] if hasattr(library, "malloc_trim") else [])


_HOLES = """
import numpy as np
from pathlib import Path
def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
for _ in range(3):
    np.ones(2**19)  # freeing it tells the C library that such pieces come often
before = held()
pieces, between = [], []
for number in range(100):
    pieces.append(np.ones(2**19 - 1000))
    between.append(np.ones(2**13))
pieces.clear()
print((held() - before) // 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what was freed, and can be told not to")
def test_memory_that_a_run_has_freed_goes_back_to_the_system():
    """400 MiB in pieces of 4, with small ones in between that stay."""
    program = "from wheeltapper import memory; memory.keep_little()\n" + _HOLES
    usual = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    mib, control = (
        int(subprocess.run([sys.executable, "-c", code], env=usual, capture_output=True, text=True, check=True).stdout)
        for code in (program, _HOLES)
    )
    assert mib < 50
    assert control > 300
