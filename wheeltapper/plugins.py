"""A folder is the registry: a plug-in is one file, and its name in YAML is the file's name.

Listing a folder imports nothing; loading imports the one file asked for.
"""

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from wheeltapper.errors import ConfigError
from wheeltapper.spelling import near_miss

_ROOT = Path(__file__).parent

T = TypeVar("T")


def names(folder: str) -> list[str]:
    """List the plug-ins of a folder such as ``detectors`` or ``features/sets``, without importing them."""
    return sorted(path.stem for path in (_ROOT / folder).glob("*.py") if not path.stem.startswith("_"))


def load_module(folder: str, name: str) -> ModuleType:
    """Import one plug-in file.

    Raises
    ------
    ConfigError
        If the folder has no such file; the message names the near miss.
    """
    found = names(folder)
    if name not in found:
        raise ConfigError(f"no {_kind(folder)} named '{name}'; found {found}.{near_miss(name, found)}")
    return importlib.import_module(f"wheeltapper.{folder.replace('/', '.')}.{name}")


def _kind(folder: str) -> str:
    """Say what a folder holds: ``features/sets`` holds feature sets, ``assets`` asset types."""
    return {"assets": "asset type", "features/sets": "feature set"}.get(folder, Path(folder).name.removesuffix("s"))


def door(module: str) -> ModuleType:
    """Import the module that builds plug-ins of one folder, for callers that may not know it beforehand.

    Configuration lies below everything, yet it must refuse a wrong option of a detector before work begins.
    """
    return importlib.import_module(f"wheeltapper.{module}")


def load_class(folder: str, name: str, base: type[T]) -> type[T]:
    """Return the one class of a plug-in file that is a kind of ``base``."""
    module = load_module(folder, name)
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, base) and member is not base and member.__module__ == module.__name__
    ]
    public = [member for member in found if not member.__name__.startswith("_")]
    if len(public) != 1:
        raise ConfigError(f"{folder}/{name}.py must hold exactly one public {base.__name__}; it holds {len(public)}")
    return public[0]
