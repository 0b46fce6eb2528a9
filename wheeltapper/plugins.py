"""Plug-ins: detectors, feature sets, sources, asset types and objectives, found by the name of their file.

A plug-in is one file, and its name in a plant's YAML is the file's name. Three places are searched; a name may stand in
one of them only:

* the package itself: ``wheeltapper/detectors/lof.py``;
* other installed distributions, by entry points: ``mean_square = "my_package.mean_square"`` in the group
  ``wheeltapper.detectors``, a group for each kind;
* the folder that a plant names in its YAML, ``plugins: my_plugins/``, with a sub-folder for each kind:
  ``my_plugins/detectors/mean_square.py``. Files that begin with an underscore are helpers, as in the package.

Listing imports nothing; loading imports one file.

Two plants may name two folders with different files of the same name. So there is no folder that "is set": `PlugIns` is
a value that says which folder is searched. A plant has it (`Plant.plug_ins`), and hands it to whatever looks a name up;
whoever has no plant looks in what is installed (`INSTALLED`). The files of a folder are imported under a package name
that is made of the folder's path, which keeps two files of one name apart in ``sys.modules``, and a file that has
changed since is imported again. Threads, processes and Dask's workers each begin with the plant's YAML, so all of them
find the same files.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from wheeltapper.errors import ConfigError
from wheeltapper.spelling import near_miss

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """One kind of plug-in. Only the room that it belongs to, and rooms above, load plug-ins of a kind."""

    folder: str
    """Sub-folder of a plant's folder; ``wheeltapper.`` and this is the group of entry points."""
    title: str
    """What one of them is called in messages."""
    package: str
    """The package whose modules are plug-ins of this kind."""
    shared: tuple[str, ...] = ()
    """Public modules of the package that are no plug-ins."""


DETECTORS = Kind("detectors", "detector", "wheeltapper.detectors", shared=("rows",))
FEATURE_SETS = Kind("feature_sets", "feature set", "wheeltapper.features.sets")
SOURCES = Kind("sources", "source", "wheeltapper.sources")
LIVE_SOURCES = Kind(
    "live_sources", "live source", "wheeltapper.sources.live", shared=("assembly", "mapping", "reading", "sparkplug")
)
ASSET_TYPES = Kind("asset_types", "asset type", "wheeltapper.assets")
OBJECTIVES = Kind("objectives", "objective", "wheeltapper.objectives")
KINDS = (DETECTORS, FEATURE_SETS, SOURCES, ASSET_TYPES, OBJECTIVES)


@dataclass(frozen=True)
class _Place:
    """Where one plug-in was found."""

    label: str
    """The file or the entry point, for messages."""
    module: str
    """The name that it is imported by."""
    path: Path | None = None
    """Its file, where that lies in a plant's folder."""
    is_own: bool = False
    """Whether it belongs to the package."""


@dataclass(frozen=True)
class PlugIns:
    """All plug-ins that a plant can name: those that are installed, and those of its folder."""

    folder: Path | None = None
    """The plant's folder of plug-ins, absolute; None where it names none."""

    def names(self, kind: Kind) -> list[str]:
        """List the plug-ins of a kind, without importing them.

        Raises
        ------
        ConfigError
            If the folder is missing, or two places have a plug-in of the same name.

        Examples
        --------
        >>> INSTALLED.names(SOURCES)
        ['csv_folder', 'parquet', 'simulator', 'sql']
        """
        return sorted(self._places(kind))

    def names_in_folder(self, kind: Kind) -> list[str]:
        """List the plug-ins of a kind that lie in the plant's folder."""
        return sorted(name for name, place in self._places(kind).items() if place.path is not None)

    def module(self, kind: Kind, name: str) -> ModuleType:
        """Import one plug-in.

        Raises
        ------
        ConfigError
            If there is no plug-in of that name (the message has the near miss), or its file cannot be imported.
        """
        place = self._find(kind, name)
        if place.is_own:
            return importlib.import_module(place.module)
        try:
            return importlib.import_module(place.module) if place.path is None else _import_file(place)
        except Exception as error:
            raise ConfigError(
                f"{kind.title} {name}: {place.label} cannot be imported: {_cause(error)}. Correct it, or take it away."
            ) from error

    def load(self, kind: Kind, name: str, base: type[T]) -> type[T]:
        """Import one plug-in and return its class: the one public subclass of ``base`` that the file defines.

        Raises
        ------
        ConfigError
            If there is no such plug-in, it cannot be imported, or it does not define exactly one such class.
        """
        module = self.module(kind, name)
        classes = [
            member
            for _, member in inspect.getmembers(module, inspect.isclass)
            if issubclass(member, base) and member is not base and member.__module__ == module.__name__
        ]
        public = [member for member in classes if not member.__name__.startswith("_")]
        if len(public) != 1:
            raise ConfigError(
                f"{self._find(kind, name).label} must hold exactly one public {base.__name__}; it holds {len(public)}"
            )
        return public[0]

    def digest(self, kind: Kind, name: str) -> str:
        """Return what names the code of a plug-in that is not the package's own: 16 digits of SHA-256; else nothing.

        It is taken over the file and the helpers beside it (files that begin with an underscore).
        """
        place = self._find(kind, name)
        if place.is_own:
            return ""
        if place.path is not None:
            return _digest(place.path)
        spec = importlib.util.find_spec(place.module)
        return _digest(Path(spec.origin)) if spec is not None and spec.origin else ""

    def digests(self, *kinds: Kind) -> dict[str, str]:
        """Return ``detectors/name`` → `digest` for all plug-ins of these kinds that are not the package's own."""
        digests = {f"{kind.folder}/{name}": self.digest(kind, name) for kind in kinds for name in self.names(kind)}
        return {name: digest for name, digest in digests.items() if digest}

    def require(self, kind: Kind, name: str, digest: str) -> None:
        """Refuse to go on without the very plug-in that a model was trained with.

        Raises
        ------
        ConfigError
            If it is not there, or its code is not the one of which ``digest`` was taken. The message says what to do.
        """
        if name not in self.names(kind):
            searched = "no folder is named" if self.folder is None else f"looked in {self.folder / kind.folder}"
            raise ConfigError(
                f"the {kind.title} '{name}' is a plug-in, and it is not here ({searched}). Put {name}.py into "
                f"{kind.folder}/ in the folder that the plant's YAML names under plugins, or install the package that "
                "it came with."
            )
        if self.digest(kind, name) != digest:
            raise ConfigError(
                f"the {kind.title} '{name}' has changed since the model was trained with it: "
                f"{self._find(kind, name).label}. Put the file back as it was, and give the changed one another name."
            )

    def check(self) -> None:
        """Refuse a folder that is missing, or that has a misspelt sub-folder.

        Raises
        ------
        ConfigError
        """
        if self.folder is None:
            return
        self._require_folder(self.folder)
        allowed = [kind.folder for kind in (*KINDS, LIVE_SOURCES)]
        for path in sorted(self.folder.iterdir()):
            hint = near_miss(path.name, allowed) if path.is_dir() and path.name not in allowed else ""
            if hint:
                raise ConfigError(f"plugins: {path} is no kind of plug-in ({', '.join(allowed)}).{hint} Rename it.")

    def _find(self, kind: Kind, name: str) -> _Place:
        places = self._places(kind)
        if name not in places:
            names = sorted(places)
            raise ConfigError(f"no {kind.title} named '{name}'; found {names}.{near_miss(name, names)}")
        return places[name]

    def _places(self, kind: Kind) -> dict[str, _Place]:
        places: dict[str, _Place] = {}
        for listed in (_in_package(kind), _in_distributions(kind), self._in_folder(kind)):
            for name, place in listed.items():
                if name in places:
                    raise ConfigError(
                        f"two plug-ins are the {kind.title} '{name}': {places[name].label} and {place.label}. "
                        "Rename yours."
                    )
                places[name] = place
        return places

    def _in_folder(self, kind: Kind) -> dict[str, _Place]:
        if self.folder is None:
            return {}
        self._require_folder(self.folder)
        package = f"{_package_of(self.folder)}.{kind.folder}"
        return {
            path.stem: _Place(str(path), f"{package}.{path.stem}", path) for path in _public(self.folder / kind.folder)
        }

    def _require_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConfigError(
                f"plugins: no such folder: {folder}. Correct the path, which begins beside the plant's file, or remove "
                "the key."
            )


INSTALLED = PlugIns()
"""What is found without a plant's folder: the package's own plug-ins, and those of installed distributions."""


def _public(folder: Path) -> Iterator[Path]:
    """Yield the Python files of a folder that are no helpers."""
    return (path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_"))


@cache
def _in_package(kind: Kind) -> dict[str, _Place]:
    root = Path(__file__).parent
    folder = root.joinpath(*kind.package.split(".")[1:])
    return {
        path.stem: _Place(path.relative_to(root.parent).as_posix(), f"{kind.package}.{path.stem}", is_own=True)
        for path in _public(folder)
        if path.stem not in kind.shared
    }


@cache
def _in_distributions(kind: Kind) -> dict[str, _Place]:
    """Return what installed distributions offer; what is installed does not change while a process runs."""
    places: dict[str, _Place] = {}
    for point in entry_points(group=f"wheeltapper.{kind.folder}"):
        label = f"{point.module} of {point.dist.name if point.dist else 'an installed distribution'}"
        if point.name in places:
            raise ConfigError(
                f"two plug-ins are the {kind.title} '{point.name}': {places[point.name].label} and {label}. "
                "Uninstall one."
            )
        places[point.name] = _Place(label, point.module)
    return places


_IMPORTING = threading.RLock()


def _package_of(folder: Path) -> str:
    """Return the package name under which the files of a folder are imported."""
    return f"wheeltapper_plug_ins_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def _import_file(place: _Place) -> ModuleType:
    """Import a file of a plant's folder; once for as long as its code stays the same."""
    path = place.path
    assert path is not None
    with _IMPORTING:
        digest = _digest(path)
        module = sys.modules.get(place.module)
        if module is not None and module.__dict__.get("__digest__") == digest:
            return module
        siblings = place.module.rpartition(".")[0]
        if module is not None:  # it has changed, and so may have the helpers that it imports
            for name in [name for name in list(sys.modules) if name.startswith(f"{siblings}.")]:
                del sys.modules[name]
        root = place.module.partition(".")[0]
        if root not in sys.modules:
            package = ModuleType(root)
            package.__path__ = [str(path.parents[1])]
            sys.modules[root] = package
        importlib.invalidate_caches()
        module = importlib.import_module(place.module)
        module.__dict__["__digest__"] = digest
        return module


def _digest(path: Path) -> str:
    files = sorted({path, *path.parent.glob("_*.py")})
    content = b"".join(file.name.encode() + b"\0" + file.read_bytes() + b"\0" for file in files)
    return hashlib.sha256(content).hexdigest()[:16]


def _cause(error: Exception) -> str:
    """Say why a file cannot be imported, with the line where Python knows it."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    return f"{type(error).__name__}: {error}"
