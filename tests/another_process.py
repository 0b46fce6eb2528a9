"""What another process sees: nothing that this one has read is remembered."""

from __future__ import annotations

from wheeltapper.store import Store
from wheeltapper.store.log import log_in


def fresh(plant: Store) -> Store:
    """Return the same store as another process opens it."""
    log_in.cache_clear()
    return Store(plant.folder.parent, plant.plant)
