"""Other machines for instances to run on. Must not: reach one."""

from __future__ import annotations

from mooring.model.host import Host
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.server.query import Parameter
from mooring.usecases import answers, hosts, requests

_ONE = "/v1/hosts/{name}"


async def listed(asked: Asked) -> tuple[answers.HostStatus, ...]:
    return await hosts.hosts(asked.platform, asked.actor)


async def planned(asked: Asked) -> answers.HostPlan:
    return await hosts.plan_host(asked.platform, asked.actor, asked.json(requests.HostRequest))


async def added(asked: Asked) -> answers.HostAdded:
    return await hosts.add_host(asked.platform, asked.actor, asked.json(requests.HostRequest))


async def checked(asked: Asked) -> answers.HostPlan:
    return await hosts.check_host(asked.platform, asked.actor, asked.path["name"])


async def drained(asked: Asked) -> Host:
    wished = asked.json(requests.DrainRequest)
    return hosts.drain_host(asked.platform, asked.actor, asked.path["name"], is_draining=wished.on)


async def removed(asked: Asked) -> Host:
    return await hosts.remove_host(asked.platform, asked.actor, asked.path["name"], is_lost=asked.flag("lost"))


async def key(asked: Asked) -> answers.HostKey:
    return answers.HostKey(public_key=hosts.host_key(asked.platform, asked.actor))


_LOST = Parameter(
    name="lost",
    kind=bool,
    default=False,
    about="It will never answer again: nothing is asked of it, and what was placed on it is given up.",
)

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/hosts",
        summary="All hosts that were added, how well each is seen, and what is placed on it",
        handler=listed,
        answer=tuple[answers.HostStatus, ...],
    ),
    Endpoint(
        method="POST",
        path="/v1/hosts/plan",
        summary="What is found on a host and what would be done there; without a host key only the one it shows",
        handler=planned,
        answer=answers.HostPlan,
        body=Body.JSON,
        body_type=requests.HostRequest,
    ),
    Endpoint(
        method="POST",
        path="/v1/hosts",
        summary="Prepare a host and use it from now on; one that is there already is prepared again",
        handler=added,
        answer=answers.HostAdded,
        status=201,
        body=Body.JSON,
        body_type=requests.HostRequest,
    ),
    Endpoint(method="GET", path=f"{_ONE}/check", summary="Look at a host anew", handler=checked, answer=answers.HostPlan),
    Endpoint(
        method="PUT",
        path=f"{_ONE}/drain",
        summary="Place nothing new on a host, or use it again",
        handler=drained,
        answer=Host,
        body=Body.JSON,
        body_type=requests.DrainRequest,
    ),
    Endpoint(
        method="DELETE", path=_ONE, summary="Undo what was done on a host and forget it", handler=removed, answer=Host, query=(_LOST,)
    ),
    Endpoint(
        method="GET",
        path="/v1/host-key",
        summary="The controller's own public key, for the authorized_keys of accounts on hosts",
        handler=key,
        answer=answers.HostKey,
    ),
)
