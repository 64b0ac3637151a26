"""What a controller left that died over the removal of an environment goes when the next one comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.drivers.edge.layout import EdgeLayout
from mooring.drivers.edge.ledger import Ledger
from mooring.drivers.edge.leftovers import clear
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.names import Hostname
from mooring.model.routing import RouteTable

SHOP, GONE = EnvironmentId.parse("shop/production"), EnvironmentId.parse("shop/topic")


@pytest.fixture
def layout(tmp_path: Path) -> EdgeLayout:
    """With the certificates and the notes of two environments, one of which was removed, and of the edge itself."""
    layout = EdgeLayout(tmp_path, tmp_path)
    layout.certificates.mkdir()
    layout.waited_for.mkdir()
    for name in ("shop.test", "*.shop.test", "topic.test", "localhost"):
        layout.certificate(name).write_text("a certificate and its key")
    for environment in (SHOP, GONE):
        (layout.waited_for / environment.slug).touch()
    return layout


@pytest.fixture
def ledger(layout: EdgeLayout) -> Ledger:
    ledger = Ledger(layout.tables)
    ledger.load()
    names = (Hostname("shop.test"), Hostname("*.shop.test"))
    ledger.keep(Mark(SHOP, "test", 1), RouteTable(environment=SHOP, hostnames=names, routes=()))
    ledger.keep(Mark(GONE, "test", 1), None)
    return ledger


def test_only_what_is_routed_keeps_its_certificates_and_notes(layout: EdgeLayout, ledger: Ledger) -> None:
    clear(layout, ledger)
    assert sorted(path.name for path in layout.certificates.iterdir()) == ["_.shop.test.pem", "localhost.pem", "shop.test.pem"]
    assert [path.name for path in layout.waited_for.iterdir()] == [SHOP.slug]


def test_nothing_goes_while_somebodys_table_cannot_be_read(layout: EdgeLayout, ledger: Ledger) -> None:
    layout.table(SHOP).write_text("garbled")
    ledger.load()
    clear(layout, ledger)
    assert len(list(layout.certificates.iterdir())) == 4
