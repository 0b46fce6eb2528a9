"""Files that the store keeps beside a log, each with the SHA-256 of its own content in its first line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wheeltapper.errors import StoreError
from wheeltapper.store import files


@dataclass(frozen=True)
class Sealed:
    """A sealed file as it was written."""

    facts: dict[str, Any]
    body: memoryview
    sha256: str
    """SHA-256 over facts and body: the one in the first line."""


def write(path: Path, facts: dict[str, Any], body: bytes) -> str:
    """Write a sealed file so that it is on the disk, whole, before this returns; return its SHA-256.

    Raises
    ------
    StoreError
        If the disk is full or refuses; nothing was left behind.
    """
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    sha256 = _hash(text, body)
    files.write(path, json.dumps({"facts": text, "sha256": sha256}).encode() + b"\n" + body)
    return sha256


def read(path: Path) -> Sealed:
    """Read a sealed file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    StoreError
        If it is not as it was written.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    end = data.find(b"\n")
    body = memoryview(data)[end + 1 :]  # no copy: the names of half a million writes are 8 MB
    try:
        fields = json.loads(data[: max(end, 0)])
        text, expected = str(fields["facts"]), fields["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged: its first line is not as it was written") from error
    if _hash(text, body) != expected:
        raise StoreError(f"{path} is damaged: its content does not match its SHA-256")
    return Sealed(json.loads(text), body, expected)


def _hash(facts: str, body: bytes | memoryview) -> str:
    digest = hashlib.sha256(facts.encode() + b"\n")
    digest.update(body)
    return digest.hexdigest()
