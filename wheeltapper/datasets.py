"""Public data sets: what there is, under which licence, and how it is downloaded without trusting anybody.

The names, addresses and checksums are data (``conf/datasets/registry.toml``); this page knows none of them.
"""

from __future__ import annotations

import io
import json
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from wheeltapper.config import Model, Settings, conf_folder, data_folders, describe
from wheeltapper.errors import ConfigError, DataError, WheeltapperError
from wheeltapper.spelling import near_miss

REGISTRY = "registry.toml"
RECORDED = "checksums.json"
"""Beside the downloaded files: SHA-256 of those whose checksum nobody knew before."""

_SHA256 = r"^([0-9a-f]{64})?$"

State = Literal["as published", "as the first time", "seen for the first time"]


class PublicFile(Model):
    """One file that a plant reads."""

    source: str | None = Field(
        None, alias="from", description="its path at the publisher's, if it is another than the plant's"
    )
    sha256: str = Field("", pattern=_SHA256, description="checksum of the published file; empty if not known")

    @model_validator(mode="before")
    @classmethod
    def _from_toml(cls, value: Any) -> Any:
        return {"sha256": value} if isinstance(value, str) else value


class DataSet(Model):
    """One public data set, and the plant that reads it."""

    title: str
    plant: str = Field(description="name of the plant in conf/")
    folder: Path = Field(description="its folder below the data folder, as the plant's source names it")
    licence: str
    page: str = Field(description="where its publisher describes it")
    base: str | None = Field(None, description="address that the files' paths are added to")
    archive: tuple[str, ...] = Field(
        (), description="address of a zip file, then of zip files inside it, outermost first"
    )
    by_hand: str | None = Field(None, description="why it cannot be downloaded, and what to do")
    files: dict[str, PublicFile] = Field(default_factory=dict)

    @field_validator("folder")
    @classmethod
    def _stays_inside(cls, folder: Path) -> Path:
        _require_inside(folder.as_posix())
        return folder

    @field_validator("files")
    @classmethod
    def _stay_inside(cls, files: dict[str, PublicFile]) -> dict[str, PublicFile]:
        for name in files:
            _require_inside(name)
        return files

    @model_validator(mode="after")
    def _comes_one_way(self) -> Self:
        ways = [name for name in ("base", "archive", "by_hand") if getattr(self, name)]
        if len(ways) != 1:
            raise ValueError(f"needs one of base, archive and by_hand, got {ways or 'none'}")
        if self.by_hand is None and not self.files:
            raise ValueError("files names what is downloaded, got none")
        return self


def _require_inside(path: str) -> None:
    """Refuse a path that would write outside the data folder."""
    if Path(path).is_absolute() or ".." in Path(path).parts or not Path(path).parts:
        raise ValueError(f"expected a path below the data folder, got '{path}'")


@dataclass(frozen=True)
class Fetched:
    """One file that is here now."""

    name: str
    path: Path
    sha256: str
    state: State


def registry(path: Path | None = None) -> dict[str, DataSet]:
    """Read the list of public data sets.

    Raises
    ------
    ConfigError
        If the file is missing or says something that is not understood.
    """
    path = path or conf_folder() / "datasets" / REGISTRY
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"no list of data sets at {path}: it belongs to Wheeltapper's checkout. Change into its folder."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    found = {}
    for name, entry in content.items():
        try:
            found[name] = DataSet.model_validate(entry)
        except ValidationError as error:
            raise ConfigError(describe(error, f"{path}: {name}", DataSet)) from error
    return found


def named(name: str, known: dict[str, DataSet]) -> DataSet:
    """Find a data set by its name, or by its plant's.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    for own, dataset in known.items():
        if name in (own, dataset.plant):
            return dataset
    raise ConfigError(f"no data set named '{name}'; known: {', '.join(known)}.{near_miss(name, list(known))}")


def where(dataset: DataSet) -> Path | None:
    """Return the folder in which the data set's plant finds it, or some of its files; None if it is nowhere."""
    for folder in data_folders(conf_folder() / "datasets"):
        own = folder / dataset.folder
        if any((own / name).is_file() for name in dataset.files) or (not dataset.files and own.is_dir()):
            return own
    return None


def target() -> Path:
    """Return the folder that data sets are downloaded to: WHEELTAPPER_DATA, else ``data`` in WHEELTAPPER_HOME."""
    settings = Settings()
    return (settings.data or settings.home / "data").resolve()


def fetch(dataset: DataSet, folder: Path, tell: Callable[[str], None]) -> list[Fetched]:
    """Download a data set's files, and check or record the checksum of each; what is here already is only checked.

    Parameters
    ----------
    dataset : DataSet
        What to download.
    folder : Path
        Data folder; the files go to the data set's own folder below.
    tell : callable
        Is told what is being done.

    Returns
    -------
    list of Fetched
        In the registry's order, with each file's SHA-256 and how it is known.

    Raises
    ------
    ConfigError
        If the data set cannot be downloaded; the message says how it is brought by hand.
    DataError
        If a file is not the one that was published, or that came the first time. It is not kept.
    WheeltapperError
        If the network or the disk fails.
    """
    if dataset.by_hand is not None:
        raise ConfigError(f"{dataset.title} cannot be downloaded. {dataset.by_hand} See {dataset.page}")
    own = folder / dataset.folder
    seen = _Seen(own / RECORDED)
    bring = _Bring(dataset, own, tell)
    try:
        own.mkdir(parents=True, exist_ok=True)
        return [_fetch_one(name, file, own, seen, bring) for name, file in dataset.files.items()]
    except zipfile.BadZipFile as error:
        raise DataError(f"{dataset.archive[0]} is no zip file: {error}. See {dataset.page}") from error
    except OSError as error:  # the network's errors are OSErrors too
        raise WheeltapperError(
            f"{dataset.title} could not be downloaded to {own}: {error}. What came whole is kept; run this again, set "
            f"WHEELTAPPER_DATA to a folder that you may write to, or bring the files by hand from {dataset.page}"
        ) from error


def _fetch_one(name: str, file: PublicFile, own: Path, seen: _Seen, bring: _Bring) -> Fetched:
    """Bring one file unless it is here, and compare it with what is known of it."""
    path = own / name
    known = file.sha256 or seen.get(name)
    if path.is_file():
        came = _sha256(path)
        _require_same(name, came, known, f"{path} was changed since. Delete it to download it again")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        came = bring.to(path, name, file, known)
    state: State = "as published" if file.sha256 else "as the first time" if known else "seen for the first time"
    if not known:
        seen.add(name, came)
    return Fetched(name, path, came, state)


def _require_same(name: str, came: str, known: str, advice: str) -> None:
    if known and came != known:
        raise DataError(f"{name} should have SHA-256 {known}, got {came}: {advice}.")


_REPLACED = "the publisher has replaced it, or something on the way has. It was not kept"


class _Bring:
    """Brings files from their publisher: one by one, or out of an archive that is downloaded once."""

    def __init__(self, dataset: DataSet, own: Path, tell: Callable[[str], None]) -> None:
        self._dataset, self._own, self._tell = dataset, own, tell
        self._archive: zipfile.ZipFile | None = None

    def to(self, path: Path, name: str, file: PublicFile, known: str) -> str:
        """Write a file and return its SHA-256; a wrong one is not written."""
        if self._dataset.base is not None:
            self._tell(f"downloading {name}")
            return _download(self._dataset.base + (file.source or name), path, known, name)
        content = self._member(file.source or name)
        came = _sha256(content)
        _require_same(name, came, known, _REPLACED)
        _write(path, content)
        return came

    def _member(self, name: str) -> bytes:
        """Read a file out of the innermost archive, wherever in it it lies."""
        if self._archive is None:
            self._archive = self._open()
        return _read_member(self._archive, name, self._dataset.archive[-1])

    def _open(self) -> zipfile.ZipFile:
        address, *inner = self._dataset.archive
        self._tell(f"downloading {address}")
        place = self._own / "archive.zip.part"
        place.unlink(missing_ok=True)  # a killed run left it; its publisher may have another by now
        try:
            # The checksum is kept of each file that is taken out, not of its wrapping.
            _download(address, place, "", address)
            archive = zipfile.ZipFile(io.BytesIO(place.read_bytes()))
        finally:
            place.unlink(missing_ok=True)
        for name in inner:
            archive = zipfile.ZipFile(io.BytesIO(_read_member(archive, name, address)))
        return archive


def _read_member(archive: zipfile.ZipFile, name: str, shown: str) -> bytes:
    alike = [one for one in archive.namelist() if one == name or one.endswith(f"/{name}")]
    if len(alike) != 1:
        raise DataError(
            f"{shown} holds {len(alike)} files named {name} (it has: {', '.join(archive.namelist()[:8])}). "
            "Its publisher has packed it anew; correct conf/datasets/registry.toml."
        )
    return archive.read(alike[0])


def _download(address: str, path: Path, known: str, name: str) -> str:
    """Download one file with pooch, which writes it only when it is whole and has the known checksum."""
    import pooch

    pooch.get_logger().setLevel("ERROR")  # it would say where the file came from; so do we
    try:
        came = pooch.retrieve(address, known_hash=known or None, fname=path.name, path=path.parent)
    except OSError as error:
        answer = getattr(error, "response", None)
        if answer is not None:  # pooch leaves the connection open when the answer is an error
            answer.close()
        raise
    except ValueError as error:
        if "hash" not in str(error).lower():
            raise
        raise DataError(f"{name} should have SHA-256 {known}: {_REPLACED}. ({_first_sentence(error)})") from error
    return _sha256(Path(came))


def _first_sentence(error: Exception) -> str:
    return str(error).split(". ", maxsplit=1)[0].replace("\n", " ")


def _sha256(content: Path | bytes) -> str:
    import hashlib

    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


class _Seen:
    """The checksums of files that nobody knew before, as they came the first time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = dict(_read_recorded(path))

    def get(self, name: str) -> str:
        """Return the recorded checksum; empty if there is none."""
        return self._known.get(name, "")

    def add(self, name: str, sha256: str) -> None:
        """Record a checksum at once: a download that is interrupted later has still been seen."""
        self._known[name] = sha256
        _write(self._path, (json.dumps(self._known, indent=1, sort_keys=True) + "\n").encode())


def _read_recorded(path: Path) -> Iterator[tuple[str, str]]:
    if not path.is_file():
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        yield from ((str(name), str(value)) for name, value in content.items())
    except (ValueError, AttributeError) as error:
        raise DataError(
            f"{path} holds no checksums ({error}). Delete it if you trust the files beside it; they are then recorded "
            "anew."
        ) from error
