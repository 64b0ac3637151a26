"""Services and their servers as tables. Must not: decide what is a fault."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.cli.render.table import Column, table
from mooring.model.quantity import format_size
from mooring.usecases.answers import ServerStatus, ServiceStatus

_SERVICES = (
    Column("service"),
    Column("type"),
    Column("server"),
    Column("name there", is_flexible=True),
    Column("size", is_right=True),
    Column("state"),
)
_SERVERS = (Column("server"), Column("type"), Column("place", is_flexible=True), Column("version"), Column("services", is_flexible=True))


def service_lines(services: Sequence[ServiceStatus], *, width: int | None) -> list[Line]:
    """One row a service, then why one could not be looked at."""
    if not services:
        return [line("No services. [services.db] in mooring.toml declares one; the next deploy makes it.")]
    troubles = [line(Span(f"{each.record.piece.service}: {each.error}", Style.BAD)) for each in services if each.error]
    return [*table(_SERVICES, [_service(each) for each in services], width=width), *troubles]


def server_lines(servers: Sequence[ServerStatus], *, width: int | None) -> list[Line]:
    """One row a server, then what is not good about one."""
    if not servers:
        return [line("No servers. `mooring service add-server NAME --type TYPE` adds one that is there already.")]
    notes: list[Line] = []
    for each in servers:
        if each.error:
            notes.append(line(Span(f"{each.server.name}: {each.error}", Style.BAD)))
        for orphan in each.orphans:
            piece = orphan.piece
            whole = f"{piece.environment}/{piece.service}"
            notes.append(line(Span(f"{each.server.name}: nobody owns {orphan.what} {orphan.name}, which was made for {whole}", Style.WARN)))
            way = f"--app {piece.environment.app} -e {piece.environment.environment} --confirm {whole}"
            notes += hanging(line("  "), f"`mooring service rm {piece.service} {way}` removes it", width=width, style=Style.DIM)
        for finding in each.findings:
            notes.append(line(Span(f"{each.server.name}: {finding.subject}: {finding.said}", Style.WARN)))
            notes += hanging(line("  "), finding.hint, width=width, style=Style.DIM)
    return [*table(_SERVERS, [_server(each) for each in servers], width=width), *notes]


def _service(each: ServiceStatus) -> list[Line]:
    record = each.record
    state = "ready" if record.is_ready else "not finished"
    return [
        line(record.piece.service),
        line(record.kind.value),
        line(record.server),
        line(record.piece.identity),
        line("?" if each.size is None else format_size(each.size)),
        line("rotating" if record.is_ready and each.logins > 1 else state),
    ]


def _server(each: ServerStatus) -> list[Line]:
    server = each.server
    place = f"{server.place}, {server.accessory}" if server.accessory else server.place
    return [line(server.name), line(server.kind.value), line(place), line(server.version), line(", ".join(each.services))]
