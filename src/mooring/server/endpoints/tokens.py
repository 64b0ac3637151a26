"""Tokens for programs and people elsewhere. Must not: show one twice."""

from __future__ import annotations

from mooring.model.access import TokenRecord
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.usecases import answers, requests, tokens


async def listed(asked: Asked) -> tuple[TokenRecord, ...]:
    return tokens.tokens(asked.platform, asked.actor)


async def created(asked: Asked) -> answers.TokenCreated:
    return tokens.create_token(asked.platform, asked.actor, asked.json(requests.TokenRequest))


async def revoked(asked: Asked) -> TokenRecord:
    return tokens.revoke_token(asked.platform, asked.actor, asked.path["name"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/tokens",
        summary="All tokens that ever were, without the tokens",
        handler=listed,
        answer=tuple[TokenRecord, ...],
    ),
    Endpoint(
        method="POST",
        path="/v1/tokens",
        summary="A new token, shown this once",
        handler=created,
        answer=answers.TokenCreated,
        status=201,
        body=Body.JSON,
        body_type=requests.TokenRequest,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/tokens/{name}",
        summary="End a token; its open streams end within seconds",
        handler=revoked,
        answer=TokenRecord,
    ),
)
