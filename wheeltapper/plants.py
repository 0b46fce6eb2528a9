"""Plants by name: YAML files, read together with the asset types that plug-ins bring.

`wheeltapper.config` knows no plug-in; here it meets the asset types. Whether the other plug-ins of a plant exist and
take their options is asked where all of them are known: `wheeltapper.check_plant`.
"""

from __future__ import annotations

from pathlib import Path

from wheeltapper import assets, config
from wheeltapper.config import Plant


def load(plant: str) -> Plant:
    """Read one plant: a name in ``conf/`` or the path of a YAML file.

    Raises
    ------
    ConfigError
        If there is no such plant or asset type, or the YAML says something that is not understood.
    """
    return config.load(plant, asset_types=assets.named)


def parse(text: str, *, name: str, folder: Path, where: str) -> Plant:
    """Turn a plant's YAML text into a `Plant`; ``where`` begins every message.

    Raises
    ------
    ConfigError
        If there is no such asset type, or the YAML says something that is not understood.
    """
    return config.parse(text, name=name, folder=folder, where=where, asset_types=assets.named)
