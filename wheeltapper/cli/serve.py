"""The live service, and the process beside it that brings what came in into the tables."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from wheeltapper.cli.application import app, open_plant, out
from wheeltapper.cli.options import PlantArgument

PlantArguments = Annotated[
    list[str], typer.Argument(metavar="PLANT...", help="Names of plants in conf/, or paths of their YAML files.")
]


@app.command()
def serve(
    plants: PlantArguments,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8000,
    hosts: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A name by which it may be addressed, such as plant.lan."),
    ] = None,
    proxies: Annotated[
        list[str] | None, typer.Option("--proxy", help="Address of a proxy that is believed about who asks.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file with the certificate, for TLS.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="PEM file with its private key.")] = None,
    keys: Annotated[
        bool, typer.Option("--keys/--no-keys", help="Ask for API keys; without, it listens on this machine only.")
    ] = True,
) -> None:
    """Take readings in over HTTP, and answer what they mean; ends with Ctrl-C."""
    from wheeltapper.serving.server import serve_plants

    spaces = [open_plant(plant) for plant in plants]
    serve_plants(
        spaces,
        host=host,
        port=port,
        announce=out.print,
        hosts=hosts or [],
        proxies=proxies or [],
        certificate=certificate,
        private_key=private_key,
        with_keys=keys,
    )


@app.command(hidden=True)
def fold(plant: PlantArgument) -> None:
    """Bring what came in through live doors into the tables, again and again; `serve` starts it."""
    from expectations import features, readings
    from expectations import scores as score_promises
    from wheeltapper.serving.fold import Checks
    from wheeltapper.serving.folding import fold_on

    def check_scores(scores: Any, *, title: str, regimes: tuple[str, ...], learned_until: Any, docs: Any) -> Any:
        return score_promises.check(scores, score_promises.Terms(title, regimes, learned_until), docs)

    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s")
    fold_on(open_plant(plant), Checks(readings.check, features.check, check_scores), lambda: datetime.now(UTC))
