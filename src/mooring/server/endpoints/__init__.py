"""Every route of the API, a file per thing that is asked about. Each handler only calls its use case."""

from __future__ import annotations

from mooring.server.endpoint import Endpoint
from mooring.server.endpoints import (
    about,
    accessories,
    certificates,
    config,
    deployments,
    environments,
    events,
    forges,
    hosts,
    orders,
    push_keys,
    registries,
    reviews,
    services,
    tokens,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *about.ENDPOINTS,
    *environments.ENDPOINTS,
    *orders.ENDPOINTS,
    *reviews.ENDPOINTS,
    *config.ENDPOINTS,
    *deployments.ENDPOINTS,
    *events.ENDPOINTS,
    *accessories.ENDPOINTS,
    *certificates.ENDPOINTS,
    *hosts.ENDPOINTS,
    *forges.ENDPOINTS,
    *push_keys.ENDPOINTS,
    *registries.ENDPOINTS,
    *services.ENDPOINTS,
    *tokens.ENDPOINTS,
)
