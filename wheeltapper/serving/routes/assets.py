"""Machines and alarms as they are now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Response

from wheeltapper.scoring.alarm_records import standing
from wheeltapper.serving.access import require
from wheeltapper.serving.bodies import AssetBody
from wheeltapper.serving.errors import Refused
from wheeltapper.serving.live_plant import LivePlant
from wheeltapper.serving.routes.readings import alarm_body, instant
from wheeltapper.serving.routes.served import Named
from wheeltapper.spelling import near_miss

router = APIRouter(tags=["machines"], dependencies=[Depends(require("read"))])

MOST_ALARMS = 1000


@router.get("/v1/plants/{plant}/assets", response_model=list[AssetBody], summary="List machines")
async def list_assets(plant: Named) -> Response:
    """List the machines with their newest reading and their open alarm."""
    assets = [_asset_body(plant, asset, newest) for asset, newest in sorted(plant.newest().items())]
    return Response(orjson.dumps(assets), media_type="application/json")


@router.get("/v1/plants/{plant}/assets/{asset}", response_model=AssetBody, summary="Show a machine")
async def show_asset(plant: Named, asset: Annotated[str, Path(description="Name of the machine.")]) -> Response:
    """Show one machine with its newest reading and its open alarm."""
    newest = plant.newest()
    if asset not in newest:
        raise Refused.not_found(f"{plant.plant.name} has no machine {asset}.{near_miss(asset, newest)}")
    return Response(orjson.dumps(_asset_body(plant, asset, newest[asset])), media_type="application/json")


@router.get("/v1/plants/{plant}/alarms", summary="List alarms")
def list_alarms(
    plant: Named, most: Annotated[int, Query(ge=1, le=MOST_ALARMS, description="The newest so many.")] = 100
) -> list[dict[str, Any]]:
    """List the stored alarms that are not withdrawn, the newest first, with explanation and ranked sensors.

    What changed in the last seconds is in the answers to the readings; it is here after the next fold.
    """
    alarms = standing(plant.alarms()).sort_values("opened_at", ascending=False).head(most)
    return [_alarm_record(row) for row in alarms.to_dict("records")]


def _asset_body(plant: LivePlant, asset: str, newest: int) -> dict[str, Any]:
    alarm = plant.state.assets[asset].alarm.open_alarm
    return {
        "asset_id": asset,
        "newest_reading": instant(newest),
        "alarm": None if alarm is None else alarm_body(asset, "opened", alarm, alarm.opened_at),
    }


def _alarm_record(row: Mapping[Any, Any]) -> dict[str, Any]:
    times = {name: value.isoformat() for name, value in row.items() if hasattr(value, "isoformat")}
    return {str(name): value for name, value in row.items()} | times | {"sensors": json.loads(row["sensors"])}
