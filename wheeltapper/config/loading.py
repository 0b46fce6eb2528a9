"""From a YAML file to a plant: every mistake in the file is one line that names its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from wheeltapper import plugins
from wheeltapper.config.mistakes import describe
from wheeltapper.config.plant import Plant
from wheeltapper.config.settings import conf_folder
from wheeltapper.config.values import NAME
from wheeltapper.errors import ConfigError, SourceError
from wheeltapper.spelling import near_miss


def plant_files() -> dict[str, Path]:
    """List the plants of ``conf/`` and of the folders in it by name: ``skab``, ``datasets/nab``."""
    folder = conf_folder()
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*/*.yaml")], key=lambda path: (len(path.parts), path))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def _named(plant: str) -> Path:
    """Find a plant of ``conf/`` by its name; the folder may be left out where that is clear."""
    known = plant_files()
    if plant in known:
        return known[plant]
    alike = [path for path in known.values() if path.stem == plant]
    if len(alike) == 1:
        return alike[0]
    raise ConfigError(f"no plant named '{plant}'; {conf_folder()}/ has {list(known)}.{near_miss(plant, list(known))}")


def load(plant: str) -> Plant:
    """Read one plant: a name in ``conf/`` or the path of a YAML file; its plug-ins are there and take their options.

    Raises
    ------
    ConfigError
        If there is no such plant, or its YAML says something that is not understood. The message names the
        key, what was expected and the near miss.
    """
    path = path_of(plant)
    found = _read(path)
    check_plug_ins(found, where=str(path))
    return found


def load_unchecked(plant: str) -> Plant:
    """Read one plant like `load`, but do not look at its plug-ins: their options may be what a person asks help for.

    Raises
    ------
    ConfigError
        If there is no such plant, or its YAML says something that is not understood.
    """
    return _read(path_of(plant))


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


def _read(path: Path) -> Plant:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text ({error}); save it as UTF-8.") from error
    return parse(text, name=path.stem, folder=path.resolve().parent, where=str(path))


def parse(text: str, *, name: str, folder: Path, where: str) -> Plant:
    """Turn a plant's YAML text into a `Plant`; ``where`` opens every message. Plug-ins are not looked at."""
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
        return Plant.model_validate({**content, "name": name, "folder": folder})
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
        """Refuse a doubled key, of which YAML would keep the last without a word."""
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


def check_plug_ins(plant: Plant, where: str) -> None:
    """Refuse a source, feature set or detector that is not there, or an option that it does not take.

    Nothing is read and nothing computed: a typing mistake must not show after minutes of work.

    Raises
    ------
    ConfigError
        One line a mistake, opened by ``where``.
    """
    mistakes: list[str] = []

    def attempt(place: str, build: Callable[[], object]) -> None:
        try:
            build()
        except (ConfigError, SourceError) as error:
            found = [f"{where}: {place}: {line}" for line in str(error).splitlines()]
            mistakes.extend(line for line in found if line not in mistakes)

    sources, plan, detectors = (plugins.door(name) for name in ("sources", "features.plan", "detectors"))
    attempt("source", lambda: sources.build(plant.source).check(plant))
    for wanted in plant.features:
        attempt("features", lambda wanted=wanted: plan.build_set(wanted.name, wanted.options))  # type: ignore[misc]
    if not mistakes:
        attempt("features", lambda: plan.FeaturePlan.of(plant))
    for wanted in plant.candidates:
        attempt("candidates", lambda wanted=wanted: detectors.build(wanted.name, wanted.options))  # type: ignore[misc]
    if not mistakes and plant.search is not None:
        trials = plugins.door("training.search_options")
        for wanted in plant.candidates:
            attempt("search.over", lambda wanted=wanted: trials.of(plant, wanted))  # type: ignore[misc]
    if mistakes:
        raise ConfigError("\n".join(mistakes))
