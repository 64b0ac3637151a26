"""A list that a forge gives page by page. Must not: give a part of it for the whole."""

from __future__ import annotations

from mooring.drivers.forge.api import Api
from mooring.drivers.forge.payload import Payload
from mooring.errors import Unavailable

_MOST = 100  # pages


async def listed(api: Api, path: str, *, size: int, size_name: str = "per_page", field: str = "") -> list[Payload]:
    """All of its objects, `size` a page; `path` may carry a query. `field`: of an answer's, where that is no list itself.

    Raises Unavailable, InvalidInput."""
    joined = "&" if "?" in path else "?"
    found: list[Payload] = []
    for number in range(1, _MOST + 1):
        answer = await api.get(f"{path}{joined}{size_name}={size}&page={number}")
        page = Payload.of_answer(answer).list(field) if field else Payload({"page": answer}).list("page")
        found += page
        if len(page) < size:
            return found
    raise Unavailable(f"{path.partition('?')[0]} has more than {_MOST * size:,} entries", hint="close what nobody needs any more")
