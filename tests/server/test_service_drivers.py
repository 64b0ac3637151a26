"""Every kind of service has a driver, and it gives an app what the model names."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.model.names import ServerName
from mooring.model.secret import Secret
from mooring.model.service import VARIABLES, ServiceKind, ServiceServer
from mooring.server.service_drivers import Drivers
from mooring.testing.service_contract import a_login, a_piece


@pytest.mark.parametrize("kind", ServiceKind)
def test_each_kind_has_a_driver_that_gives_the_variables_which_a_plan_names(kind: ServiceKind, tmp_path: Path) -> None:
    address = {
        ServiceKind.POSTGRES: "postgresql://admin:sesame@db.test",
        ServiceKind.MYSQL: "mysql://admin:sesame@db.test",
        ServiceKind.REDIS: "rediss://admin:sesame@db.test",
        ServiceKind.SQLITE: f"sqlite:///{tmp_path}",
        ServiceKind.BUCKET: "s3+https://admin:sesame@s3.test/pieces",
    }[kind]
    server = ServiceServer(name=ServerName("main"), kind=kind)
    found = Drivers(lambda: "c0ffee").driver(server, Secret(address)).variables(a_piece(), a_login(a_piece()))
    assert tuple(found) == VARIABLES[kind]
    assert a_piece().identity in found["URL"].reveal() and "sesame@" not in found["URL"].reveal()
