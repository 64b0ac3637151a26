"""The edges `envoy` and `haproxy` fulfil the contract, with a real Envoy and a real HAProxy."""

from __future__ import annotations

from mooring.testing.access_contract import AccessContract
from mooring.testing.edge_contract import EdgeContract


class TestProxyEdge(EdgeContract, AccessContract):
    pass
