"""The fake keeps what every server keeps."""

from __future__ import annotations

import pytest

from mooring.model.secret import Secret
from mooring.model.service import Piece
from mooring.testing.service import FakeServer, Stored
from mooring.testing.service_contract import ServiceContract


class FakeRig:
    emptying = "DELETE FROM entries"

    def __init__(self, *, makes_passwords: bool) -> None:
        self.driver = FakeServer()
        self.driver.makes_passwords = makes_passwords

    async def write(self, variables: dict[str, Secret], key: str, value: str) -> None:
        self.driver.enter(variables["URL"])[key] = value

    async def read(self, variables: dict[str, Secret]) -> dict[str, str]:
        return dict(self.driver.enter(variables["URL"]))

    async def occupy(self, piece: Piece) -> None:
        self.driver.stored[piece.identity] = Stored(piece=None, content={"salary": "1"})

    async def is_occupied(self, piece: Piece) -> bool:
        return self.driver.stored[piece.identity].content == {"salary": "1"}


class TestFakeServer(ServiceContract):
    @pytest.fixture(params=[False, True], ids=["given passwords", "makes passwords"])
    def rig(self, request: pytest.FixtureRequest) -> FakeRig:
        return FakeRig(makes_passwords=request.param)
