"""From a YAML file to a plant: every mistake in the file is one line that names its place."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from wheeltapper.config.mistakes import describe
from wheeltapper.config.plant import AssetTypes, Plant
from wheeltapper.config.settings import conf_folder
from wheeltapper.config.values import NAME
from wheeltapper.errors import ConfigError
from wheeltapper.spelling import near_miss


def plant_files() -> dict[str, Path]:
    """List the plants of ``conf/`` and of the folders in it by name: ``skab``, ``datasets/nab``."""
    folder = conf_folder()
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*/*.yaml")], key=lambda path: (len(path.parts), path))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def _named(plant: str) -> Path:
    """Find a plant of ``conf/`` by its name; the folder may be left out where that is clear."""
    files = plant_files()
    if plant in files:
        return files[plant]
    matches = [path for path in files.values() if path.stem == plant]
    if len(matches) == 1:
        return matches[0]
    raise ConfigError(f"no plant named '{plant}'; {conf_folder()}/ has {list(files)}.{near_miss(plant, files)}")


def load(plant: str, *, asset_types: AssetTypes | None = None) -> Plant:
    """Read one plant: a name in ``conf/`` or the path of a YAML file. Its plug-ins are not looked at.

    Parameters
    ----------
    plant : str
    asset_types : callable, optional
        Looks up the asset type that the YAML names; without it the YAML must describe the type itself.

    Raises
    ------
    ConfigError
        If there is no such plant, or its YAML says something that is not understood. The message names the
        key, what was expected and the near miss.
    """
    path = path_of(plant)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text ({error}); save it as UTF-8.") from error
    return parse(text, name=path.stem, folder=path.resolve().parent, where=str(path), asset_types=asset_types)


def path_of(plant: str) -> Path:
    """Return the file of a plant: a name in ``conf/`` or the path of a YAML file.

    Raises
    ------
    ConfigError
        If there is no such plant.
    """
    path = Path(plant)
    if path.suffix not in (".yaml", ".yml"):
        path = _named(plant)
    if not path.is_file():
        raise ConfigError(f"no such file: {path}. Give the name of a plant in conf/ or the path of its YAML file.")
    return path


def parse(text: str, *, name: str, folder: Path, where: str, asset_types: AssetTypes | None = None) -> Plant:
    """Turn a plant's YAML text into a `Plant`; ``where`` begins every message. See `load`."""
    try:
        content = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{where} is empty or not a mapping; see conf/pump_station.yaml for an example.")
    _require_name(name, content, where)
    inline = content.get("asset_type")
    if isinstance(inline, dict):
        content["asset_type"] = {"name": name, **inline}
    try:
        return Plant.model_validate({**content, "name": name, "folder": folder}, context={"asset_types": asset_types})
    except ValidationError as error:
        raise ConfigError(describe(error, where, Plant)) from error


def _require_name(name: str, content: dict[Any, Any], where: str) -> None:
    """Refuse a file whose name cannot be a plant's, and keys that the file's own place decides."""
    if not re.fullmatch(NAME, name):
        raise ConfigError(
            f"{where}: the file's name is the plant's name: a letter, then letters, digits and underscores; "
            f"got '{name}'. Rename the file."
        )
    for key in ("name", "folder"):
        if key in content:
            raise ConfigError(f"{where}: {key}: the file's own {key} is the plant's. Remove this key.")


class _Loader(yaml.SafeLoader):
    """YAML as a person means it: a key may stand once, and 1e-3 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a doubled key, of which YAML would keep the last silently."""
        seen: dict[Any, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and seen.setdefault(key.value, line) != line:
                raise yaml.YAMLError(
                    f"key '{key.value}' stands in line {seen[key.value]} and again in line {line}. Remove one."
                )
        return super().construct_mapping(node, deep)


# YAML 1.1 asks for a dot in 1.0e-3 and takes 1e-3 for text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
