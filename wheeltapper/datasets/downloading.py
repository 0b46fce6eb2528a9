"""Downloading public data sets: every file arrives whole, and its checksum is compared or recorded."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wheeltapper.config import Settings
from wheeltapper.datasets.listing import DataSet, PublicFile
from wheeltapper.errors import ConfigError, DataError, WheeltapperError

RECORDED = "checksums.json"
"""Beside the downloaded files: SHA-256 of those that have no published checksum."""

State = Literal["as published", "as the first time", "seen for the first time"]

_REPLACED = "the publisher has replaced it, or something on the way has. It was not kept"


@dataclass(frozen=True)
class Fetched:
    """One file that was downloaded, now or earlier."""

    name: str
    path: Path
    sha256: str
    state: State


def target() -> Path:
    """Return the folder that data sets are downloaded to: WHEELTAPPER_DATA, else ``data`` in WHEELTAPPER_HOME."""
    settings = Settings()
    return (settings.data or settings.home / "data").resolve()


def fetch(dataset: DataSet, folder: Path, announce: Callable[[str], None]) -> list[Fetched]:
    """Download a data set's files, and check or record the checksum of each; existing files are only checked.

    Parameters
    ----------
    dataset : DataSet
        What to download.
    folder : Path
        Data folder; the files go to the data set's own folder below.
    announce : callable
        Called with each step as it begins.

    Returns
    -------
    list of Fetched
        In the registry's order, with each file's SHA-256 and what it was compared with.

    Raises
    ------
    ConfigError
        If the data set cannot be downloaded; the message says how to get it by hand.
    DataError
        If a file is not the published one, or not the one of the first download. It is not kept.
    WheeltapperError
        If the network or the disk fails.
    """
    if dataset.by_hand is not None:
        raise ConfigError(f"{dataset.title} cannot be downloaded. {dataset.by_hand} See {dataset.page}")
    place = folder / dataset.folder
    checksums = _Checksums(place / RECORDED)
    publisher = _Publisher(dataset, place, announce)
    try:
        place.mkdir(parents=True, exist_ok=True)
        return [_fetch_file(name, file, place, checksums, publisher) for name, file in dataset.files.items()]
    except zipfile.BadZipFile as error:
        raise DataError(f"{dataset.archive[0]} is no zip file: {error}. See {dataset.page}") from error
    except OSError as error:  # the network's errors are OSErrors too
        raise WheeltapperError(
            f"{dataset.title} could not be downloaded to {place}: {error}. Files that arrived whole are kept; run this "
            "again, set WHEELTAPPER_DATA to a folder that you may write to, or get the files by hand from "
            f"{dataset.page}"
        ) from error


def _fetch_file(name: str, file: PublicFile, place: Path, checksums: _Checksums, publisher: _Publisher) -> Fetched:
    """Download one file unless it exists, and compare it with its published or recorded checksum."""
    path = place / name
    expected = file.sha256 or checksums.get(name)
    if path.is_file():
        sha256 = _sha256(path)
        _require_same(name, sha256, expected, f"{path} was changed since. Delete it to download it again")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        sha256 = publisher.download(path, name, file, expected)
    if not expected:
        checksums.add(name, sha256)
    return Fetched(name, path, sha256, _state(file, expected))


def _state(file: PublicFile, expected: str) -> State:
    if file.sha256:
        return "as published"
    return "as the first time" if expected else "seen for the first time"


def _require_same(name: str, sha256: str, expected: str, advice: str) -> None:
    if expected and sha256 != expected:
        raise DataError(f"{name} should have SHA-256 {expected}, got {sha256}: {advice}.")


class _Publisher:
    """Downloads files from their publisher: one by one, or out of an archive that is downloaded once."""

    def __init__(self, dataset: DataSet, place: Path, announce: Callable[[str], None]) -> None:
        self._dataset, self._place, self._announce = dataset, place, announce
        self._archive: zipfile.ZipFile | None = None

    def download(self, path: Path, name: str, file: PublicFile, expected: str) -> str:
        """Write a file and return its SHA-256; a wrong one is not written."""
        if self._dataset.base is not None:
            self._announce(f"downloading {name}")
            return _download(self._dataset.base + (file.source or name), path, expected, name)
        content = self._member(file.source or name)
        sha256 = _sha256(content)
        _require_same(name, sha256, expected, _REPLACED)
        _write(path, content)
        return sha256

    def _member(self, name: str) -> bytes:
        """Read a file from the innermost archive, whatever folder in it holds the file."""
        if self._archive is None:
            self._archive = self._open()
        return _read_member(self._archive, name, self._dataset.archive[-1])

    def _open(self) -> zipfile.ZipFile:
        address, *inner = self._dataset.archive
        self._announce(f"downloading {address}")
        draft = self._place / "archive.zip.part"
        draft.unlink(missing_ok=True)  # a killed run left it; the publisher may have replaced the archive since
        try:
            # Checksums belong to the files in the archive, not to the archive.
            _download(address, draft, "", address)
            archive = zipfile.ZipFile(io.BytesIO(draft.read_bytes()))
        finally:
            draft.unlink(missing_ok=True)
        for name in inner:
            archive = zipfile.ZipFile(io.BytesIO(_read_member(archive, name, address)))
        return archive


def _read_member(archive: zipfile.ZipFile, name: str, shown: str) -> bytes:
    matches = [member for member in archive.namelist() if member == name or member.endswith(f"/{name}")]
    if len(matches) != 1:
        raise DataError(
            f"{shown} holds {len(matches)} files named {name} (it has: {', '.join(archive.namelist()[:8])}). "
            "Its publisher has changed it; correct conf/datasets/registry.toml."
        )
    return archive.read(matches[0])


def _download(address: str, path: Path, expected: str, name: str) -> str:
    """Download one file with pooch, which writes it only if it is whole and has the expected checksum."""
    import pooch

    pooch.get_logger().setLevel("ERROR")  # it would log where the file came from; `fetch` announces it
    try:
        written = pooch.retrieve(address, known_hash=expected or None, fname=path.name, path=path.parent)
    except OSError as error:
        answer = getattr(error, "response", None)
        if answer is not None:  # pooch leaves the connection open when the answer is an error
            answer.close()
        raise
    except ValueError as error:
        if "hash" not in str(error).lower():
            raise
        raise DataError(f"{name} should have SHA-256 {expected}: {_REPLACED}. ({_first_sentence(error)})") from error
    return _sha256(Path(written))


def _first_sentence(error: Exception) -> str:
    return str(error).split(". ", maxsplit=1)[0].replace("\n", " ")


def _sha256(content: Path | bytes) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it exists whole or not at all."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(content)
    draft.replace(path)


class _Checksums:
    """The checksums of files that have no published one, recorded at their first download."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recorded = _read_recorded(path)

    def get(self, name: str) -> str:
        """Return the recorded checksum; empty if there is none."""
        return self._recorded.get(name, "")

    def add(self, name: str, sha256: str) -> None:
        """Record a checksum at once, so that a download that is interrupted later does not lose it."""
        self._recorded[name] = sha256
        _write(self._path, (json.dumps(self._recorded, indent=1, sort_keys=True) + "\n").encode())


def _read_recorded(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in content.items()}
    except (ValueError, AttributeError) as error:
        raise DataError(
            f"{path} holds no checksums ({error}). Delete it if you trust the files beside it; their checksums are "
            "then recorded again."
        ) from error
