"""A small protected application, served by a real uvicorn on a free port."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse

from wheeltapper.errors import BundleError, ConfigError, DataError, NoChampionError, StoreError
from wheeltapper.serving import errors
from wheeltapper.serving.access import Access, Caller, allowed_hosts, require
from wheeltapper.serving.deadlines import server_options
from wheeltapper.serving.keys import KeyFile
from wheeltapper.serving.limits import Limits
from wheeltapper.serving.logs import LOGGER, JsonLines
from wheeltapper.serving.protection import Protection
from wheeltapper.serving.session_routes import session_routes
from wheeltapper.serving.sessions import Sessions


class Reading(BaseModel):
    """One reading, as strict as a route of the service."""

    model_config = ConfigDict(extra="forbid")

    flow: float
    note: str = ""


class Readings(BaseModel):
    """Some of them."""

    readings: list[Reading]


FAILURES: dict[str, Exception] = {
    "no_champion": NoChampionError("pump_station has no live model. Run: wheeltapper run pump_station"),
    "store": StoreError("/srv/secret/store/readings (90 bytes) could not be written: disk full"),
    "bundle": BundleError("model.bin does not match its manifest"),
    "config": ConfigError("expected 'wide' or 'long', got 'tall'"),
    "data": DataError("pump-07 has no sensor 'flow_rate'"),
    "not_found": errors.Refused.not_found("There is no plant 'x'."),
    "bug": ValueError("could not convert 'a secret value'"),
}
router = APIRouter(responses=errors.RESPONSES)
inner = APIRouter(dependencies=[Depends(require("read"))])
entered, leave = threading.Semaphore(0), threading.Event()


@router.get("/healthz")
async def healthz() -> dict[str, bool]:
    return {"alive": True}


@router.get("/v1/state/{asset}")
async def state(asset: str, caller: Annotated[Caller, Depends(require("read"))], limit: int = 1) -> dict[str, str]:
    return {"asset": asset, "caller": caller.name}


@router.post("/v1/readings")
async def take(body: Readings, caller: Annotated[Caller, Depends(require("write"))]) -> dict[str, int]:
    return {"taken": len(body.readings)}


@router.post("/v1/alarms/{alarm}/confirm")
async def confirm(alarm: str, caller: Annotated[Caller, Depends(require("decide"))]) -> dict[str, str]:
    return {"by": caller.name}


@router.get("/v1/fail/{kind}")
async def fail(kind: str, caller: Annotated[Caller, Depends(require("read"))]) -> None:
    raise FAILURES[kind]


@router.get("/v1/large")
async def large(caller: Annotated[Caller, Depends(require("read"))], size: int) -> PlainTextResponse:
    return PlainTextResponse("x" * size)


@router.get("/v1/events")
async def events(caller: Annotated[Caller, Depends(require("read"))]) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"data: {number}\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


@router.get("/v1/page", dependencies=[Depends(require("read"))])
async def page() -> HTMLResponse:
    headers = {"content-security-policy": "default-src 'none'", "cache-control": "max-age=60"}
    return HTMLResponse("<p>", headers=headers)


@router.get("/v1/endless/events")
async def endless(caller: Annotated[Caller, Depends(require("read"))]) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        while True:
            yield "data: a secret\n\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(lines(), media_type="text/event-stream")


@router.post("/v1/wait", dependencies=[Depends(require("write"))])
def wait_with(body: Readings) -> str:
    return wait()


@router.get("/v1/wait", dependencies=[Depends(require("read"))])
def wait() -> str:
    entered.release()
    leave.wait(30)
    return "done"


@inner.get("/{asset}")
async def within(asset: str) -> str:
    raise UnknownAssetError(f"there is no machine {asset}")


class UnknownAssetError(ConfigError):
    """As routes have it for what an address names."""


class Lines(logging.Handler):
    """Keeps the lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@dataclass
class Service:
    """A running service, and what a test needs of it."""

    port: int
    keys: KeyFile
    all_scopes: str
    log: Lines
    app: FastAPI
    access: Access
    server: uvicorn.Server
    _clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        """Return a client that sends a key; by default one with every scope, ``""`` for none."""
        key = self.all_scopes if key is None else key
        sent = {"authorization": f"Bearer {key}"} if key else {}
        client = httpx.Client(base_url=self.url, headers=sent | headers, trust_env=False, timeout=30)
        self._clients.append(client)
        return client

    def connect(self) -> socket.socket:
        """Return a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def requests(self) -> list[dict[str, Any]]:
        """Return the log's lines of requests."""
        return [line for line in map(json.loads, self.log.texts) if line["event"] == "request"]

    def line_of(self, answer: httpx.Response) -> dict[str, Any]:
        """Return the log's line of a request; it is written when the client may have its answer already."""
        given = answer.headers["x-request-id"]
        wait_for(lambda: any(line["request_id"] == given for line in self.requests()))
        return next(line for line in self.requests() if line["request_id"] == given)

    def close(self) -> None:
        for client in self._clients:
            client.close()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


Serve = Callable[..., Any]


@contextmanager
def served(
    home: Path,
    limits: Limits | None = None,
    has_keys: bool = True,
    sockets: list[socket.socket] | None = None,
    **options: Any,
) -> Iterator[Service]:
    limits = limits or Limits()
    keys = KeyFile.of_home(home)
    first = keys.ensure_first()
    assert first is not None
    sessions = Sessions.of_home(home, keys)
    access = Access(keys if has_keys else None, sessions, hosts=allowed_hosts("127.0.0.1"))
    app = FastAPI()
    app.include_router(router)
    app.include_router(session_routes(access))
    app.include_router(inner, prefix="/v2/assets")
    errors.install(app, {UnknownAssetError: errors.Refused.not_found})
    app.add_middleware(Protection, access=access, limits=limits)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, **{**server_options(limits), "log_config": None, **options})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    log, logger = Lines(), logging.getLogger(LOGGER)
    logger.addHandler(log)
    level = logger.level
    logger.setLevel(logging.INFO)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        service = Service(port, keys, first.text, log, app, access, server)
        yield service
        service.close()
    finally:
        leave.set()
        server.should_exit = True
        thread.join(20)
        leave.clear()
        logger.removeHandler(log)
        logger.setLevel(level)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose limits the tests do not reach; tests of a module share it."""
    with served(tmp_path_factory.mktemp("home"), Limits(anonymous_burst=10_000)) as running:
        yield running


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Start a service with limits of the test's own: ``with serve(Limits(…)) as service``."""
    return lambda limits=None, **options: served(tmp_path / "home", limits, **options)
