"""Whether a MySQL or MariaDB server can be used: its version, its rights, and what is open to everybody. Must not: change it."""

from __future__ import annotations

import re

from mooring.drivers.service.contract import ISOLATION
from mooring.drivers.service.mysql.accounts import ALL
from mooring.drivers.service.mysql.session import Connection
from mooring.model.host import Finding, Weight

RIGHTS = (*ALL, "CREATE USER", "PROCESS", "CONNECTION ADMIN")
"""Of the administrator, everywhere, WITH GRANT OPTION. MySQL calls the last one CONNECTION_ADMIN."""

_OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 0, 20)}
_RIGHTS = (
    "SELECT privilege_type FROM information_schema.user_privileges WHERE is_grantable = 'YES'"
    " AND grantee = CONCAT('\\'', REPLACE(CURRENT_USER(), '@', '\\'@\\''), '\\'')"
)
_VERIFIERS = "SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'mysql_native_password' AND plugin_status = 'ACTIVE'"
_ANYWHERE = "SELECT 1 WHERE @@have_symlink = 'YES'"
_NAMELESS = "SELECT host FROM mysql.user WHERE user = '' ORDER BY host"
_OPEN = (
    "SELECT db FROM mysql.db WHERE user IN ('', 'PUBLIC') UNION SELECT db FROM mysql.tables_priv WHERE user IN ('', 'PUBLIC')"
    " UNION SELECT '*' FROM information_schema.user_privileges WHERE grantee LIKE '''PUBLIC''%' AND privilege_type <> 'USAGE' ORDER BY 1"
)


async def findings(connection: Connection) -> tuple[str, tuple[Finding, ...]]:
    """The version in words, and what is not good."""
    said = str((await connection.execute("SELECT VERSION()"))[0][0])
    make, numbers = version_of(said)
    found = []
    if numbers < _OLDEST[make]:
        oldest = ".".join(map(str, _OLDEST[make]))
        found.append(Finding(subject="version", weight=Weight.FAULT, said=f"{make} is older than {oldest}", hint="update it"))
    if not await connection.execute(_VERIFIERS):
        hint = "set mysql_native_password=ON in my.cnf: apps' passwords reach the server as its verifiers"
        found.append(Finding(subject="passwords", weight=Weight.FAULT, said="mysql_native_password is off", hint=hint))
    has = {str(right).replace("_", " ") for (right,) in await connection.execute(_RIGHTS)}
    missing = [right for right in RIGHTS if right not in has]
    if missing:
        words = f"the account lacks {', '.join(missing)} WITH GRANT OPTION"
        hint = f"GRANT {', '.join(missing)} ON *.* TO … WITH GRANT OPTION"
        found.append(Finding(subject="rights", weight=Weight.FAULT, said=words, hint=hint))
    if await connection.execute(_ANYWHERE):
        said = "who may make a table can have it written into any directory that the server may write to"
        found.append(Finding(subject="files", weight=Weight.WARNING, said=said, hint="set symbolic-links=0 in my.cnf, and restart it"))
    return f"{make} {'.'.join(map(str, numbers))}", (*found, *await _isolation(connection))


def version_of(said: str) -> tuple[str, tuple[int, ...]]:
    """Who made it, and the numbers. Old replication clients are told 5.5.5 before MariaDB's own."""
    make = "MariaDB" if "mariadb" in said.lower() else "MySQL"
    match = re.match(r"(?:5\.5\.5-(?=\d+\.\d+\.\d+-.*MariaDB))?(\d+)\.(\d+)\.(\d+)", said)
    return make, tuple(int(number) for number in match.groups()) if match else (0,)


async def _isolation(connection: Connection) -> tuple[Finding, ...]:
    found = []
    nameless = [str(host) for (host,) in await connection.execute(_NAMELESS)]
    if nameless:
        hint = "DROP USER " + ", ".join(f"''@'{host}'" for host in nameless)
        said = "there is an account without a name, which takes the place of apps' logins"
        found.append(Finding(subject=ISOLATION, weight=Weight.FAULT, said=said, hint=hint))
    open_to_all = [str(name) for (name,) in await connection.execute(_OPEN)]
    if open_to_all:
        said = f"every account may use {', '.join(open_to_all)}, those of apps too"
        hint = "REVOKE ALL PRIVILEGES, GRANT OPTION FROM PUBLIC; DELETE FROM mysql.db WHERE User = ''; FLUSH PRIVILEGES"
        found.append(Finding(subject=ISOLATION, weight=Weight.FAULT, said=said, hint=hint))
    return tuple(found)
