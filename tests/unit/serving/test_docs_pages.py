"""The pages /docs and /redoc work on a machine without a network: all that they load comes from the service."""

import asyncio
import re

import httpx
import pytest

from wheeltapper.serving.access import Access
from wheeltapper.serving.app import create_app


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_a_page_loads_nothing_from_elsewhere(page):
    """Its scripts, styles and pictures are there, at addresses of the service."""

    async def load():
        transport = httpx.ASGITransport(create_app({}, Access(None)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            addresses = re.findall(r"""(?:src|href)="([^"]+)""", (await client.get(page)).text)
            return {address: (await client.get(address)).status_code for address in addresses}

    loaded = asyncio.run(load())
    assert any(address.endswith(".js") for address in loaded)
    assert all(address.startswith("/") and status == 200 for address, status in loaded.items()), loaded
