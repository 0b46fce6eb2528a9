"""Whether the service lives, whether it is ready, and which models it serves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from wheeltapper.serving.access import require
from wheeltapper.serving.bodies import ModelBody
from wheeltapper.serving.errors import without_folders
from wheeltapper.serving.live_plant import LivePlant
from wheeltapper.serving.routes.served import served

open_router = APIRouter(tags=["state"])
"""Routes that need no key."""
router = APIRouter(tags=["state"], dependencies=[Depends(require("read"))])

Served = Annotated[dict[str, LivePlant], Depends(served)]


@open_router.get("/healthz", summary="Is it alive?")
async def health() -> dict[str, str]:
    """Answer while the process lives."""
    return {"status": "alive"}


@open_router.get("/readyz", summary="Is it ready?")
async def readiness(plants: Served) -> Response:
    """Answer 200 if everything works, else 503 with what does not; readings may be taken and scored all the same.

    ``waiting`` counts the entries of the journal that are not in the tables yet; the readings in them are safe.
    """
    is_ready = not any(plant.troubles for plant in plants.values())
    content: dict[str, Any] = {
        "status": "ready" if is_ready else "not ready",
        "plants": {name: _state(plant) for name, plant in plants.items()},
    }
    return JSONResponse(content, status_code=200 if is_ready else 503)


def _state(plant: LivePlant) -> dict[str, Any]:
    """Return what everybody may know of a plant: nothing of the machine's folders."""
    troubles = {what: without_folders(why) for what, why in plant.troubles.items()}
    return {"waiting": plant.waiting, "troubles": troubles}


@router.get("/v1/models", response_model=list[ModelBody], summary="Which models are served?")
async def models(plants: Served) -> list[ModelBody]:
    """List champion and challenger of each plant, and since when they are served."""
    return [
        ModelBody(
            plant=name,
            role=model.role,
            detector=model.bundle.detector_name,
            bundle=model.name,
            since=plant.since,
        )
        for name, plant in plants.items()
        for model in plant.models
    ]
