"""Free memory goes back to the system where the C library can do that, and nothing breaks where it cannot."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from wheeltapper.store import memory


@pytest.mark.parametrize("library", [SimpleNamespace(), SimpleNamespace(malloc_trim=lambda _spare: 1)])
def test_memory_is_given_back_with_any_c_library(monkeypatch: pytest.MonkeyPatch, library: SimpleNamespace) -> None:
    """Musl and macOS have no malloc_trim."""
    trimmed: list[int] = []
    if hasattr(library, "malloc_trim"):
        library = SimpleNamespace(malloc_trim=trimmed.append)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    memory.give_back()
    assert trimmed == ([0] if hasattr(library, "malloc_trim") else [])
