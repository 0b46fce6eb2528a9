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
from wheeltapper import memory
{first}
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
{then}
print((held() - before) // 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what was freed, and can be told not to")
@pytest.mark.parametrize(
    ("first", "then", "is_kept"),
    [
        ("memory.keep_little()", "", False),
        ("memory.use_again()", "", True),
        ("memory.use_again()", "memory.give_back()", False),
    ],
)
def test_a_run_keeps_what_it_has_freed_until_it_gives_it_back(first: str, then: str, is_kept: bool) -> None:
    """400 MiB in pieces of 4, with small ones in between that stay."""
    program = _HOLES.format(first=first, then=then)
    usual = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", program], env=usual, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 300 if is_kept else int(done.stdout) < 50
