"""The edge `envoy` fulfils the contract, with a real Envoy."""

from __future__ import annotations

from mooring.testing.edge_contract import EdgeContract


class TestEnvoyEdge(EdgeContract):
    pass
