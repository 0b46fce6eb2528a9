"""The server: uvicorn with the service, and beside it one folding process for each plant."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from wheeltapper.errors import ConfigError
from wheeltapper.serving.access import (
    DOCS_PATHS,
    HEALTH_PATHS,
    SESSION_PATH,
    Access,
    allowed_hosts,
    plain_text_warning,
    require_safe_address,
)
from wheeltapper.serving.app import create_app
from wheeltapper.serving.deadlines import server_options
from wheeltapper.serving.folding_process import FoldingProcess
from wheeltapper.serving.keys import KeyFile
from wheeltapper.serving.limits import Limits
from wheeltapper.serving.live_plant import LivePlant
from wheeltapper.serving.sessions import Sessions
from wheeltapper.workspace import Workspace


def serve_plants(
    spaces: Sequence[Workspace],
    *,
    host: str,
    port: int,
    announce: Callable[[str], object],
    hosts: Sequence[str] = (),
    proxies: Sequence[str] = (),
    certificate: Path | None = None,
    private_key: Path | None = None,
    with_keys: bool = True,
    limits: Limits | None = None,
) -> None:
    """Serve plants until the process is ended.

    Parameters
    ----------
    spaces : sequence of Workspace
    host, port : where to listen
    announce : callable
        Shows a line to the person at the terminal.
    hosts : sequence of str
        Further names under which the service may be addressed.
    proxies : sequence of str
        Addresses of proxies that are believed about who asks.
    certificate, private_key : Path, optional
        PEM files for TLS.
    with_keys : bool
        Without, everybody on this machine may do everything.
    limits : Limits, optional

    Raises
    ------
    ConfigError
        If it would be reachable from elsewhere without keys, the port is taken, or the files for TLS are wrong.
    NoChampionError
        If nothing is live for one of the plants.
    JournalError
        If another process serves one of them.
    """
    require_safe_address(host, with_keys)
    options = server_options(limits, proxies=proxies, certificate=certificate, private_key=private_key)
    warning = plain_text_warning(host, certificate is not None)
    if warning:
        announce(warning)
    access = _access(spaces[0].settings.home, host, hosts, with_keys, announce)
    with contextlib.ExitStack() as beside:
        listening = beside.enter_context(_listen(host, port))
        plants = {space.plant.name: _opened(space, announce) for space in spaces}
        for plant in plants.values():
            beside.enter_context(FoldingProcess(plant))
        scheme = "http" if certificate is None else "https"
        announce(f"listening at {scheme}://{host}:{port} (docs at /docs); Ctrl-C ends it")
        config = uvicorn.Config(create_app(plants, access, limits), **options)
        uvicorn.Server(config).run(sockets=[listening])


def _access(home: Path, host: str, hosts: Sequence[str], with_keys: bool, announce: Callable[[str], object]) -> Access:
    """Return who may come in; show a first key where there was none."""
    if not with_keys:
        return Access(None, hosts=allowed_hosts(host, hosts))
    keys = KeyFile.of_home(home)
    first = keys.ensure_first()
    if first is not None:
        announce(
            f"your first key, shown this once: {first.text}\n  further ones: wheeltapper keys create NAME --scope write"
        )
    open_paths = (*HEALTH_PATHS, *DOCS_PATHS, SESSION_PATH)
    return Access(keys, Sessions.of_home(home, keys), open_paths=open_paths, hosts=allowed_hosts(host, hosts))


def _opened(space: Workspace, announce: Callable[[str], object]) -> LivePlant:
    began = time.monotonic()
    plant = LivePlant(space, lambda: datetime.now(UTC))
    took = time.monotonic() - began
    announce(f"{space.plant.name}: {len(plant.state.assets)} machines, {plant.waiting} entries waiting, {took:.1f} s")
    return plant


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    ConfigError
        If the port is taken, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"cannot listen at {host}:{port}: {error.strerror}. Choose another --port or --host."
        ) from error
    return listening
