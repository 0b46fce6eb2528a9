"""The plants that a service serves, and how a route asks for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Path, Request

from wheeltapper.errors import ConfigError
from wheeltapper.serving.live_plant import LivePlant
from wheeltapper.spelling import near_miss


class UnknownPlantError(ConfigError):
    """The service has no plant of this name."""


def served(request: Request) -> Mapping[str, LivePlant]:
    """Return the plants of the service that a request came to."""
    plants: Mapping[str, LivePlant] = request.app.state.plants
    return plants


def plant_named(request: Request, plant: Annotated[str, Path(description="Name of the plant.")]) -> LivePlant:
    """Return a plant of the service by its name.

    Raises
    ------
    UnknownPlantError
    """
    plants = served(request)
    if plant not in plants:
        raise UnknownPlantError(f"there is no plant {plant}; here are {', '.join(plants)}.{near_miss(plant, plants)}")
    return plants[plant]


Named = Annotated[LivePlant, Depends(plant_named)]
