"""The list of public data sets: title, licence, plant, and where the files come from.

Names, addresses and checksums are data (``conf/datasets/registry.toml``); the code holds none of them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from wheeltapper.config import Model, conf_folder, data_folders, describe
from wheeltapper.errors import ConfigError
from wheeltapper.spelling import near_miss

REGISTRY = "registry.toml"

_SHA256 = r"^([0-9a-f]{64})?$"


class PublicFile(Model):
    """One file that a plant reads."""

    source: str | None = Field(None, alias="from", description="its path at the publisher's, if it is not the plant's")
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


def registry(path: Path | None = None) -> dict[str, DataSet]:
    """Read the list of public data sets.

    Raises
    ------
    ConfigError
        If the file is missing or not valid.
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
    datasets = {}
    for name, entry in content.items():
        try:
            datasets[name] = DataSet.model_validate(entry)
        except ValidationError as error:
            raise ConfigError(describe(error, f"{path}: {name}", DataSet)) from error
    return datasets


def named(name: str, datasets: dict[str, DataSet]) -> DataSet:
    """Return a data set by its name, or by its plant's.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    for key, dataset in datasets.items():
        if name in (key, dataset.plant):
            return dataset
    raise ConfigError(f"no data set named '{name}'; known: {', '.join(datasets)}.{near_miss(name, list(datasets))}")


def where(dataset: DataSet) -> Path | None:
    """Return the folder in which the data set's plant finds all or some of its files; None if there is none."""
    for folder in data_folders(conf_folder() / "datasets"):
        place = folder / dataset.folder
        if any((place / name).is_file() for name in dataset.files) or (not dataset.files and place.is_dir()):
            return place
    return None
