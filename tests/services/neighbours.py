"""Two apps beside each other on one server."""

from __future__ import annotations

from mooring.drivers.service.contract import ServiceDriver
from mooring.model.service import Piece
from mooring.testing.service_contract import BLOG, SHOP, a_login, a_mark, a_piece


async def neighbours(driver: ServiceDriver) -> tuple[Piece, Piece]:
    """A piece of each, provided with its first login."""
    mine, others = a_piece(SHOP), a_piece(BLOG)
    for piece in (mine, others):
        await driver.provide(a_mark(piece.environment), piece, a_login(piece))
    return mine, others


def url_of(driver: ServiceDriver, piece: Piece) -> str:
    """What its first login comes in by."""
    return driver.variables(piece, a_login(piece))["URL"].reveal()
