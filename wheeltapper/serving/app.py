"""The service: one FastAPI application for some plants."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from fastapi import FastAPI

from wheeltapper import __version__
from wheeltapper.errors import WheeltapperError
from wheeltapper.serving import errors
from wheeltapper.serving.access import Access
from wheeltapper.serving.feeds import Feeds
from wheeltapper.serving.limits import Limits
from wheeltapper.serving.live_plant import LivePlant
from wheeltapper.serving.protection import Protection
from wheeltapper.serving.routes import assets, readings, state
from wheeltapper.serving.session_routes import session_routes

LOOK_SECONDS = 1.0
"""Pause between two looks at what is live, and at what is in the tables."""

_log = logging.getLogger("wheeltapper.serving")


def create_app(plants: Mapping[str, LivePlant], access: Access, limits: Limits | None = None) -> FastAPI:
    """Return the service.

    Parameters
    ----------
    plants : mapping of name to LivePlant
        They are closed when the service ends.
    access : Access
        Who may come in.
    limits : Limits, optional
        What it takes from its clients.
    """
    feeds = {name: Feeds(plant, plant.clock) for name, plant in plants.items()}

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        looks = [asyncio.create_task(_look_after(plant, feeds[name])) for name, plant in plants.items()]
        for of_plant in feeds.values():
            of_plant.start()
        try:
            yield
        finally:
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, *(of_plant.end() for of_plant in feeds.values()), return_exceptions=True)
            for plant in plants.values():
                plant.close()

    app = FastAPI(
        title="Wheeltapper",
        version=__version__,
        summary="Sensor readings in; what they mean, and alarms, out.",
        lifespan=lifespan,
        responses=errors.RESPONSES,
    )
    app.state.plants = plants
    for router in (state.open_router, state.router, readings.router, assets.router, session_routes(access)):
        app.include_router(router)
    errors.install(app)
    app.add_middleware(Protection, access=access, limits=limits)
    return app


async def _look_after(plant: LivePlant, feeds: Feeds) -> None:
    """Follow the live sources, what is live and what is in the tables, as long as the service runs."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        feeds.look()
        if await _safely(plant, "what is in the tables", lambda: asyncio.to_thread(plant.follow_tables)):
            _log.info("%s: other readings have come into the tables; going on from there", plant.plant.name)
        if await _safely(plant, "what is live", lambda: asyncio.to_thread(plant.follow_models)):
            _log.info("%s: serving %s", plant.plant.name, ", ".join(f"{m.role} {m.name[:12]}" for m in plant.models))


async def _safely(plant: LivePlant, what: str, look: Callable[[], Awaitable[bool]]) -> bool:
    """Look, and note a failure as the plant's trouble: what was served before is served on."""
    try:
        has_changed = await look()
    except Exception as error:  # whatever it is, looking goes on
        if plant.troubles.get(what) != str(error):
            is_known = isinstance(error, WheeltapperError)
            _log.warning("%s: cannot see %s: %s", plant.plant.name, what, error, exc_info=not is_known)
        plant.troubles[what] = str(error)
        return False
    plant.troubles.pop(what, None)
    return has_changed
