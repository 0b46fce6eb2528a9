"""The plants that a service serves, and how a route asks for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Path, Request

from wheeltapper.serving.errors import Refused
from wheeltapper.serving.live_plant import LivePlant
from wheeltapper.spelling import near_miss


def served(request: Request) -> Mapping[str, LivePlant]:
    """Return the plants of the service that a request came to."""
    plants: Mapping[str, LivePlant] = request.app.state.plants
    return plants


def plant_named(request: Request, plant: Annotated[str, Path(description="Name of the plant.")]) -> LivePlant:
    """Return a plant of the service by its name; raises `Refused` if there is none."""
    plants = served(request)
    if plant not in plants:
        raise Refused.not_found(f"There is no plant {plant}; here are {', '.join(plants)}.{near_miss(plant, plants)}")
    return plants[plant]


Named = Annotated[LivePlant, Depends(plant_named)]
