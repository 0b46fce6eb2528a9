"""Commands for the API keys of the service."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from wheeltapper.cli.application import app, err, out, print_json
from wheeltapper.cli.options import JsonOption
from wheeltapper.config import Settings
from wheeltapper.errors import ConfigError

if TYPE_CHECKING:
    from wheeltapper.serving.keys import Key, KeyFile, NewKey

keys_app = typer.Typer(help="Create, list, revoke and rotate the API keys of the service.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

KeyArgument = Annotated[str, typer.Argument(metavar="NAME", help="Who uses the key, such as 'historian'.")]
ScopeOption = Annotated[
    list[str],
    typer.Option("--scope", help="What it is for; may be given several times: read, write, decide."),
]
ExpiresOption = Annotated[
    str | None, typer.Option("--expires", help="After this time it is refused, such as 90d; by default never.")
]
GraceOption = Annotated[
    str, typer.Option("--grace", help="How long the old key is still accepted, such as 24h, or 0s for not at all.")
]


@keys_app.command("create")
def create(
    name: KeyArgument,
    scope: ScopeOption,
    expires: ExpiresOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and show it once; a running service accepts it at once."""
    lifetime = None if expires is None else _duration(expires, "--expires")
    _show_new(_keys().create(name, scope, lifetime), as_json)


@keys_app.command("list")
def list_keys(as_json: JsonOption = False) -> None:
    """List the keys: names, scopes, age and last four characters, never the keys themselves."""
    keys = _keys().all_keys()
    if as_json:
        print_json([_described(key) for key in keys])
    elif not keys:
        out.print("there are no keys. To create one: wheeltapper keys create NAME --scope read")
    else:
        out.print(_table(keys))


@keys_app.command("revoke")
def revoke(name: KeyArgument) -> None:
    """Remove a key; a running service refuses it at once, and whoever signed in with it is signed out."""
    revoked = _keys().revoke(name)
    for key in revoked:
        out.print(f"revoked: {escape(key.name)} (…{escape(key.last4)})")


@keys_app.command("rotate")
def rotate(name: KeyArgument, grace: GraceOption = "24h", as_json: JsonOption = False) -> None:
    """Replace a key by a new one with the same name and scopes; the old one is accepted a while longer."""
    wait = _duration(grace, "--grace")
    _show_new(_keys().rotate(name, wait), as_json)
    if not as_json:
        until = f"for another {grace}" if wait else "no longer"
        err.print(f"The old key is accepted {until}.")


def _keys() -> KeyFile:
    from wheeltapper.serving.keys import KeyFile

    return KeyFile.of_home(Settings().home)


def _duration(text: str, option: str) -> timedelta:
    from wheeltapper.config.values import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from error


def _show_new(made: NewKey, as_json: bool) -> None:
    if as_json:
        print_json(_described(made.key) | {"key": made.text})
        return
    # The key alone goes to standard output, so that it can be put into a file.
    err.print(f"Key '{escape(made.key.name)}' for: {', '.join(sorted(made.key.scopes))}. It is shown this once:")
    out.print(escape(made.text))


def _described(key: Key) -> dict[str, object]:
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "last4": key.last4,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
    }


def _table(keys: tuple[Key, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for header in ("name", "scopes", "ends in", "created", "expires"):
        table.add_column(header)
    for key in keys:
        expires = f"{key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never"
        created = f"{key.created_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(escape(key.name), ", ".join(sorted(key.scopes)), escape(key.last4), created, expires)
    return table
