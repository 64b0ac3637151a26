"""What is said of a Compose file's keys that become no setting. Source: https://docs.docker.com/reference/compose-file/

Must not: translate.
"""

from __future__ import annotations

from mooring.manifest.moving.reasons import (
    BY_ITSELF_RESTARTED,
    LOGS_ARE_KEPT,
    NO_ACCESSORIES,
    NO_CPUS,
    NO_IMAGES,
    NO_LABELS,
    NO_VOLUMES,
    OTHER_HOSTS,
)
from mooring.manifest.moving.translation import Explanations, Outcome, Told

NO_CONTAINER = Told(Outcome.NOT_MAPPED, "it is a matter of containers, and none is made", "what it changes is set on the machine")
_NETWORK = Told(Outcome.NOT_MAPPED, "instances share the machine's network", "reach other programs at 127.0.0.1 and their port")
_WAITING = Told(
    Outcome.NOT_MAPPED, "process types start side by side, and nothing waits for another program", "let the app try again until it is there"
)
_PORTS = Told(Outcome.NOT_MAPPED, "only web gets requests from outside", 'give the process type a path: [processes.NAME] path = "/…"')
_FILES = Told(
    Outcome.NOT_MAPPED, "files are not put into a release", '`mooring secret set NAME --file FILE` with [secrets] files = ["NAME"]'
)
_ENV_FILE = Told(
    Outcome.NOT_MAPPED,
    "variables of a file on the machine are not read",
    "`mooring config set NAME=VALUE` for each, `mooring secret set NAME` for what is secret",
)
_OTHER_FILE = Told(Outcome.NOT_MAPPED, "another file says the rest", "`docker compose config` writes one file of all: translate that")
_ROLLOUT = Told(
    Outcome.NEEDLESS, "new instances start beside the old ones, are watched, and are taken back where worse", "`mooring explain deploy`"
)
_MODE = Told(Outcome.NEEDLESS, "a process type runs `count` times")
_BUILD_DETAIL = Told(Outcome.NOT_MAPPED, "it is a matter of building images")
_DEVELOPING = Told(Outcome.NOT_MAPPED, "it is for working on the app, not for running it", "keep the file for that")

_CONTAINER_KEYS = [
    "annotations",
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "container_name",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpuset",
    "credential_spec",
    "device_cgroup_rules",
    "devices",
    "domainname",
    "expose",
    "gpus",
    "group_add",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "mac_address",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "post_start",
    "pre_stop",
    "privileged",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "runtime",
    "security_opt",
    "shm_size",
    "stdin_open",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "attach",
    "mem_reservation",
]

_OF_A_SERVICE: Explanations = {
    **dict.fromkeys(_CONTAINER_KEYS, NO_CONTAINER),
    **dict.fromkeys(
        ("networks", "network_mode", "links", "external_links", "extra_hosts", "dns", "dns_opt", "dns_search", "hostname"), _NETWORK
    ),
    "image": NO_IMAGES,
    "build": NO_IMAGES,
    **dict.fromkeys(
        (f"build.{key}" for key in ("cache_from", "cache_to", "platforms", "tags", "labels", "network", "shm_size")), _BUILD_DETAIL
    ),
    "build.secrets": Told(
        Outcome.NOT_MAPPED, "a build's secrets are named, and set by command", '`mooring secret set NAME` with [build] secrets = ["NAME"]'
    ),
    "working_dir": Told(Outcome.NEEDLESS, "commands run in the app's own folder"),
    "ports": _PORTS,
    "depends_on": _WAITING,
    "env_file": _ENV_FILE,
    "labels": NO_LABELS,
    "logging": LOGS_ARE_KEPT,
    "restart": BY_ITSELF_RESTARTED,
    "volumes": NO_VOLUMES,
    "volumes_from": NO_VOLUMES,
    "secrets": _FILES,
    "configs": _FILES,
    "extends": _OTHER_FILE,
    "develop": _DEVELOPING,
    "profiles": Told(Outcome.NOT_MAPPED, "a process type has no profiles", "`mooring scale NAME=0` stops one"),
    "cpu_count": NO_CPUS,
    "models": NO_ACCESSORIES,
    "deploy.mode": _MODE,
    "deploy.endpoint_mode": _NETWORK,
    "deploy.labels": NO_LABELS,
    "deploy.placement": OTHER_HOSTS,
    "deploy.resources": NO_CONTAINER,
    "deploy.resources.limits.pids": NO_CONTAINER,
    "deploy.resources.reservations": Told(Outcome.NOT_MAPPED, "nothing is reserved", "write the memory it may use below [processes.NAME]"),
    "deploy.restart_policy": BY_ITSELF_RESTARTED,
    "deploy.rollback_config": _ROLLOUT,
    "deploy.update_config": _ROLLOUT,
    "healthcheck": Told(Outcome.NEEDLESS, "whether it runs is looked at anyway"),
    "healthcheck.start_interval": Told(Outcome.NEEDLESS, "a new instance is asked five times a second"),
}

TOLD: Explanations = {
    "version": Told(Outcome.NEEDLESS, "it is about Compose itself"),
    "networks": _NETWORK,
    "volumes": NO_VOLUMES,
    "secrets": _FILES,
    "configs": _FILES,
    "models": NO_ACCESSORIES,
    "include": _OTHER_FILE,
    **{f"services.*.{key}": told for key, told in _OF_A_SERVICE.items()},
}
EXTENSION = Told(Outcome.NOT_MAPPED, "it is a block of its own, taken where an alias names it")
OTHER_PROGRAMS = frozenset(
    (
        *("postgres", "postgis", "pgvector", "timescaledb", "pgbouncer", "mysql", "mariadb", "mongo", "clickhouse-server", "cassandra"),
        *("redis", "valkey", "keydb", "dragonfly", "memcached", "rabbitmq", "kafka", "zookeeper", "nats", "eclipse-mosquitto"),
        *("elasticsearch", "opensearch", "meilisearch", "typesense", "minio", "localstack", "etcd", "vault", "consul"),
        *("nginx", "traefik", "caddy", "httpd", "haproxy", "certbot", "cloudflared", "watchtower"),
        *("adminer", "phpmyadmin", "pgadmin4", "mailpit", "mailhog", "grafana", "prometheus", "loki", "jaeger", "alpine", "busybox"),
    )
)
"""Images that are known to be no app of one's own, by their last name."""
