"""Session routes: sign in to the page with a key, see who is signed in, sign out."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from wheeltapper.serving.access import SESSION_PATH, Access, Caller, caller_of, cookie_name, session_of, unauthorized
from wheeltapper.serving.errors import RESPONSES, Refused
from wheeltapper.serving.sessions import LIFETIME


class SignIn(BaseModel):
    """A key, shown once for a session."""

    model_config = ConfigDict(extra="forbid")

    key: SecretStr = Field(max_length=200, description="An API key; `wheeltapper keys create` makes one.")


class WhoIsIn(BaseModel):
    """Who is signed in."""

    name: str = Field(description="Name of the key.")
    scopes: list[str] = Field(description="What it is for: read, write, decide.")


def session_routes(access: Access) -> APIRouter:
    """Return the routes at `SESSION_PATH`.

    Parameters
    ----------
    access : Access
        The same as the protection of the application has.
    """
    router = APIRouter(prefix=SESSION_PATH, tags=["session"], responses=RESPONSES)

    @router.post("", summary="Sign in to the page")
    async def sign_in(body: SignIn, request: Request, response: Response) -> WhoIsIn:
        if access.keys is None or access.sessions is None:
            raise Refused(400, "no_sign_in", "Keys are off here: there is nothing to sign in with.")
        key = access.find_key(body.key.get_secret_value())
        if key is None:
            raise unauthorized(was_sent=True)
        session = await run_sync(access.sessions.begin, key)
        response.set_cookie(
            cookie_name(request.url.scheme),
            session,
            max_age=int(LIFETIME.total_seconds()),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return _who(key.name, key.scopes)

    @router.get("", summary="See who is signed in")
    async def see(caller: Annotated[Caller, Depends(caller_of)]) -> WhoIsIn:
        return _who(caller.name, caller.scopes)

    @router.delete("", status_code=204, summary="Sign out")
    async def sign_out(request: Request, response: Response) -> None:
        session = session_of(request.scope)
        if session and access.sessions is not None:
            await run_sync(access.sessions.end, session)
        response.delete_cookie(
            cookie_name(request.url.scheme),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    return router


def _who(name: str, scopes: frozenset[str]) -> WhoIsIn:
    return WhoIsIn(name=name, scopes=sorted(scopes))
