"""The issuer `acme`: one order from beginning to end, as RFC 8555 has it. Must not: decide when, or keep a certificate.

Each blocking request has a thread of its own for its time; all waiting is done in the loop, so an order can be cancelled at any moment.
Nothing is remembered between orders but the account's key: an authority that forgot everything is simply met anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import josepy
import requests
from acme import challenges, errors, messages
from acme.client import ClientV2

from mooring.drivers.issuer.acme.account import account_key
from mooring.drivers.issuer.acme.network import Network
from mooring.drivers.issuer.acme.settings import AcmeSettings
from mooring.drivers.issuer.contract import Answering, Challenge, ChallengeKind, Issuer, NotIssued, kind_for
from mooring.drivers.pem import new_key, read_certificate, request_for
from mooring.model.certificate import Certificate
from mooring.model.names import Hostname
from mooring.model.secret import Secret

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_LONGEST_WORDS = 400
_UNDECIDED = (messages.STATUS_PENDING, messages.STATUS_PROCESSING, messages.STATUS_READY)
_CHALLENGES = {ChallengeKind.HTTP: challenges.HTTP01, ChallengeKind.DNS: challenges.DNS01}


class AcmeIssuer:
    def __init__(self, settings: AcmeSettings) -> None:
        self._settings = settings
        self._making = asyncio.Lock()  # of the account: two orders that begin together make one

    async def issue(self, hostname: Hostname, answering: Answering) -> Certificate:
        key = new_key()
        network, client = await self._registered()
        with translated(network, self._settings.directory):
            async with asyncio.timeout(self._settings.patience):
                order = await _blocking(client.new_order, request_for(hostname, key))
                for authorization in order.authorizations:
                    if authorization.body.status != messages.STATUS_VALID:
                        await self._prove(client, authorization, hostname, answering)
                order = await self._finalize(client, order)
                chain = (await _blocking(_read, client, str(order.body.certificate))).text
        return _checked(chain, key, hostname)

    async def _registered(self) -> tuple[Network, ClientV2]:
        """The authority says which account the key has, or makes it."""
        async with self._making:
            key = await _blocking(account_key, self._settings.account)
            network = Network(key, self._settings)
            with translated(network, self._settings.directory):
                found = await _blocking(network.get, self._settings.directory)
                client = ClientV2(messages.Directory.from_json(found.json()), network)
                await _blocking(_register, client, self._settings.email)
        return network, client

    async def _prove(
        self, client: ClientV2, authorization: messages.AuthorizationResource, hostname: Hostname, answering: Answering
    ) -> None:
        """That the hostname is ours. Raises NotIssued."""
        body = _challenge_body(authorization, kind_for(hostname))
        response, content = body.response_and_validation(client.net.key)
        challenge = _challenge(body.chall, hostname, content)
        try:
            await answering.present(challenge)
            await _blocking(client.answer_challenge, body, response)
            await self._await_verdict(client, authorization)
        finally:
            await answering.withdraw(challenge)

    async def _await_verdict(self, client: ClientV2, authorization: messages.AuthorizationResource) -> None:
        while True:
            authorization, _ = await _blocking(client.poll, authorization)
            if authorization.body.status == messages.STATUS_VALID:
                return
            if authorization.body.status != messages.STATUS_PENDING:
                said = [_words(each.error) for each in authorization.body.challenges if each.error is not None]
                raise NotIssued(said[0] if said else "the authority did not accept the answer to its challenge")
            await asyncio.sleep(self._settings.look_every)

    async def _finalize(self, client: ClientV2, order: messages.OrderResource) -> messages.OrderResource:
        """Asked to issue as soon as the authority is ready for it, then until it has."""
        asked = False
        while True:
            body = messages.Order.from_json((await _blocking(_read, client, str(order.uri))).json())
            order = order.update(body=body)
            if body.status == messages.STATUS_VALID and body.certificate is not None:
                return order
            if body.status == messages.STATUS_READY and not asked:
                await _blocking(client.begin_finalization, order)
                asked = True
                continue
            if body.status not in _UNDECIDED:
                raise NotIssued(_words(body.error) if body.error else "the authority gave the order up without a word")
            await asyncio.sleep(self._settings.look_every)


async def _blocking(act: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    return await asyncio.to_thread(act, *args, **kwargs)


@contextmanager
def translated(network: Network, directory: str) -> Iterator[None]:
    """What the library and the authority raise becomes NotIssued."""
    try:
        yield
    except messages.Error as error:
        raise NotIssued(_words(error), retry_at=network.retry_at) from error
    except requests.RequestException as error:
        hint = "it is asked again by itself; `mooring certs` shows when"
        raise NotIssued(f"the authority {directory} does not answer ({type(error).__name__})", hint=hint) from error
    except TimeoutError as error:
        raise NotIssued("the authority did not decide in time") from error
    except (errors.Error, josepy.errors.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotIssued(f"the authority's answer is not understood ({type(error).__name__})", retry_at=network.retry_at) from error


def _register(client: ClientV2, email: str) -> None:
    asked = messages.NewRegistration.from_data(email=email, terms_of_service_agreed=True)
    try:
        client.new_account(asked)
    except errors.ConflictError as known:
        client.net.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())


def _read(client: ClientV2, url: str) -> requests.Response:
    """POST-as-GET; source: RFC 8555, 6.3."""
    return client.net.post(url, None, new_nonce_url=client.directory["newNonce"])


def _challenge_body(authorization: messages.AuthorizationResource, kind: ChallengeKind) -> messages.ChallengeBody:
    offered = authorization.body.challenges
    found = next((each for each in offered if isinstance(each.chall, _CHALLENGES[kind])), None)
    if found is None:
        raise NotIssued(f"the authority offers no {kind.value} challenge")
    return found


def _challenge(asked: challenges.Challenge, hostname: Hostname, content: str) -> Challenge:
    if isinstance(asked, challenges.DNS01):
        place = asked.validation_domain_name(hostname.removeprefix("*."))
        return Challenge(hostname=hostname, kind=ChallengeKind.DNS, place=place, content=content)
    assert isinstance(asked, challenges.HTTP01)
    return Challenge(hostname=hostname, kind=ChallengeKind.HTTP, place=asked.encode("token"), content=content)


def _checked(chain: str, key: Secret, hostname: Hostname) -> Certificate:
    """What the authority sent must be what was asked for."""
    certificate = read_certificate((chain + "\n" + key.reveal()).encode())
    if certificate is None or certificate.hostnames != (hostname,):
        raise NotIssued(f"the authority sent something else than a certificate for {hostname}")
    return certificate


def _words(error: messages.Error) -> str:
    """One line of the authority's own."""
    parts = [error.detail or error.title or "", *(each.detail or "" for each in error.subproblems or ())]
    text = " ".join(" ".join(part.split()) for part in parts if part) or "no reason was given"
    return f"{error.code or 'refused'}: {text}"[:_LONGEST_WORDS]


_: type[Issuer] = AcmeIssuer
