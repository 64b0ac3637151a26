"""Every command once: its place, what it does in a line, its examples. Help, completion, dispatch and the reference page read this.

It imports nothing but its own parts, so that `mooring --help` is quick.
Must not: hold options (each command declares its own) or run anything.
"""

from __future__ import annotations

from mooring.cli import catalogue_of_accessories, catalogue_of_reviews, catalogue_of_servers
from mooring.cli.entries import Command, Group, Section, entry

GROUPS = (
    Group("certs", "Certificates of public hostnames.", usual="ls"),
    Group("host", "Other machines for apps to run on.", usual="ls"),
    Group("key", "Keys that may `git push`.", usual="ls"),
    Group("registry", "Registries of images that want to know who asks.", usual="ls"),
    Group("review", "Review apps: a branch's own environment.", usual="ls"),
    Group("forge", "Where apps' sources are kept, and whose pushes deploy them.", usual="ls"),
    Group("accessory", "Long-lived programs beside an app, which no deploy restarts.", usual="ls"),
    Group("ci", "Deploying from a forge's own CI."),
    Group("service", "Databases and other data services of an environment.", usual="ls"),
    Group("context", "Platforms on other machines, reached through SSH.", usual="ls"),
    Group("config", "Plain settings of an environment.", usual="show"),
    Group("secret", "Settings that are encrypted and never shown again.", usual="ls"),
    Group("state", "Save everything that the platform remembers, and bring it back."),
    Group("token", "Keys for programs and people that speak to the API.", usual="ls"),
)

SECTIONS = (
    Section(
        "The platform on this machine",
        (
            entry(
                "up",
                "platform",
                "Start the platform in the background: server and edge.",
                ("mooring up", "start it, or say that it runs already"),
                about="Says the ports and where its state is kept. Apps that ran before are brought back.",
            ),
            entry(
                "down",
                "platform",
                "Stop the platform with all its apps.",
                ("mooring down", "stop; `mooring up` brings every app back"),
            ),
            entry(
                "status",
                "status",
                "What runs, what is in trouble, and since when.",
                ("mooring status", "all environments"),
                ("mooring status --json", "the same for a program"),
                ("mooring status --check", "ends with 4 where something is at fault"),
            ),
            entry(
                "trust",
                "platform",
                "Make this machine trust https://*.localhost.",
                ("mooring trust", "say what would be installed, then ask"),
                ("mooring trust --yes", "install without asking; needs root"),
            ),
        ),
    ),
    Section(
        "Platforms on other machines",
        (
            entry(
                "context add",
                "contexts",
                "Name a platform elsewhere, and use it from now on.",
                ("mooring context add prod ssh://deploy@203.0.113.7", "through SSH, with your keys and agent; no port is opened"),
                ("mooring context add lab ssh://lab/srv/mooring", "a host of your ssh_config, and where its state is"),
                about="At a terminal ssh may ask about an unknown host key; after that an unknown or changed one is refused.",
            ),
            entry("context ls", "contexts", "All contexts, the current one marked.", ("mooring context ls", "names and addresses")),
            entry(
                "context use",
                "contexts",
                "Choose the platform that commands mean.",
                ("mooring context use prod", "until another is chosen; --context NAME chooses for one command"),
                ("mooring context use local", "this machine again"),
            ),
            entry("context rm", "contexts", "Forget a context; its platform goes on.", ("mooring context rm lab", "the name only")),
            entry(
                "dial",
                "contexts",
                "Connect standard input and output to this machine's platform.",
                ("mooring dial", "what a context's SSH runs on the other machine"),
            ),
        ),
    ),
    Section(
        "Deploying",
        (
            entry(
                "init",
                "project",
                "Write a commented mooring.toml from what is found here.",
                ("mooring init", "write ./mooring.toml; an existing one is left alone"),
                ("mooring init --from compose", "translate compose.yaml, and say what became of each of its keys"),
                ("mooring init --from config/deploy.yml", "the same for a file of Kamal; fly.toml, heroku.yml, app.json and Procfile too"),
            ),
            entry(
                "deploy",
                "deploy",
                "Build and serve the present commit, without failing a request.",
                ("mooring deploy", "deploy HEAD and follow until it serves"),
                ("mooring deploy --dirty", "deploy the working tree as it is"),
                ("mooring deploy --ref v1.2 -e staging", "deploy a tag to another environment"),
                about="Ctrl-C stops following only: the deployment goes on in the server.",
            ),
            entry(
                "plan",
                "deploy",
                "What a deploy would do and why, touching nothing.",
                ("mooring plan", "the steps that `mooring deploy` would take"),
            ),
            entry(
                "promote",
                "pipelines",
                "Serve in one environment what another one runs, built already.",
                ("mooring promote staging production", "the same artifact; what it brings is kept with the release"),
                ("mooring promote staging production --plan", "only what it would bring and do"),
                about="From a clone that holds the commit. Nothing is built: refused where the artifact is gone, or [build] is another.",
            ),
            entry(
                "follow",
                "deploy",
                "Follow a deployment that goes on, until it ends.",
                ("mooring follow", "the newest of this environment"),
                ("mooring follow ID", "a certain one; ends with its exit code"),
            ),
            entry(
                "abort",
                "deploy",
                "Ask a deployment to stop; the old release goes on serving.",
                ("mooring abort", "the one that goes on in this environment"),
                ("mooring abort ID", "a certain one"),
            ),
            entry(
                "rollback",
                "deploy",
                "Serve an earlier release again: its code and its config.",
                ("mooring rollback", "the release before the present one"),
                ("mooring rollback v5", "a certain one; see `mooring releases`"),
            ),
            entry(
                "releases",
                "environment",
                "The releases of an environment, newest first.",
                ("mooring releases", "numbers, ages, commits"),
                ("mooring releases v7", "one of them, and what it brought if it was promoted"),
            ),
        ),
    ),
    Section(
        "Running",
        (
            entry(
                "ps", "environment", "The instances of an environment and how they are.", ("mooring ps", "process, release, health, memory")
            ),
            entry(
                "logs",
                "logs",
                "What the instances print.",
                ("mooring logs -f", "follow all of them"),
                ("mooring logs -n 200 worker", "the last 200 lines of the worker processes"),
            ),
            entry(
                "scale",
                "operate",
                "How many instances of each process type run.",
                ("mooring scale web=3 worker=2", "three web and two worker instances"),
            ),
            entry("restart", "operate", "All instances anew, without failing a request.", ("mooring restart", "start-first, same release")),
            entry(
                "run",
                "operate",
                "A command in a fresh process with the app's code and config.",
                ("mooring run -- python manage.py shell", "on a terminal it is interactive"),
                ("mooring run -- python manage.py check", "ends with the command's own exit code"),
            ),
            entry(
                "exec",
                "operate",
                "A command where an instance runs, with what it has.",
                ("mooring exec -it web -- sh", "a shell, on a terminal"),
                ("mooring exec web.2 -- cat /proc/loadavg", "in scripts: its output, its exit code"),
                ("mooring exec shop.worker.1 -- kill -USR1 1", "of another app"),
            ),
            entry(
                "cp",
                "operate",
                "Files and directories into a running instance, or out of it.",
                ("mooring cp web.1:/tmp/report.csv .", "to this directory"),
                ("mooring cp fixtures web:/tmp/", "a directory with all that is in it"),
            ),
            entry(
                "maintenance",
                "operate",
                "Show visitors a maintenance page, or stop showing it.",
                ("mooring maintenance on", "every request gets the page"),
                ("mooring maintenance off", "the app answers again"),
            ),
            entry("open", "environment", "Open the app in a browser.", ("mooring open", "print the address, and open it on a desktop")),
            entry(
                "events",
                "events",
                "What happened: deployments, crashes, changes.",
                ("mooring events", "the latest of this environment"),
                ("mooring events -f --all", "of all environments, as they come"),
            ),
            entry(
                "lock",
                "operate",
                "Refuse deployments until `mooring unlock`.",
                ('mooring lock --reason "database migration until 15:00"', "deploys end with exit code 3 and this reason"),
            ),
            entry("unlock", "operate", "Allow deployments again.", ("mooring unlock", "remove the lock")),
            entry(
                "destroy",
                "operate",
                "Stop an environment and remove all that it owns.",
                ("mooring destroy --confirm shop", "the production environment of shop"),
                ("mooring destroy -e staging --confirm shop/staging", "another one"),
                ("mooring destroy -e staging --services --confirm shop/staging", "with its databases; else they stay"),
            ),
        ),
    ),
    Section(
        "Settings",
        (
            entry(
                "config set",
                "config",
                "Set variables; makes a new release and a rolling restart.",
                ("mooring config set LOG_LEVEL=debug CACHE_TTL=60", "both in one release"),
            ),
            entry(
                "config unset",
                "config",
                "Remove variables; makes a new release.",
                ("mooring config unset LOG_LEVEL", "back to its default"),
            ),
            entry(
                "config show",
                "config",
                "The variables as the app sees them; secrets by name only.",
                ("mooring config show", "names and values"),
                ("mooring config show --origin", "and where each value comes from"),
            ),
            entry(
                "secret set",
                "config",
                "Set a secret, read from standard input or a file.",
                ("printf s3cr3t | mooring secret set API_KEY", "from a pipe"),
                ("mooring secret set API_KEY", "on a terminal: asked for, not shown"),
                ("mooring secret set TLS_KEY --file key.pem", "from a file, byte for byte"),
                about="Never on the command line: other users of the machine can read that, and shells remember it.",
            ),
            entry("secret unset", "config", "Remove secrets; makes a new release.", ("mooring secret unset API_KEY", "remove it")),
            entry("secret ls", "config", "The names of the secrets.", ("mooring secret ls", "names only")),
            entry(
                "secret rotate",
                "config",
                "Seal every stored value anew under a fresh key.",
                ("mooring secret rotate", "of all environments; no app is restarted"),
            ),
        ),
    ),
    *catalogue_of_reviews.SECTIONS,
    *catalogue_of_accessories.SECTIONS,
    *catalogue_of_servers.SECTIONS,
    Section(
        "Keeping",
        (
            entry(
                "state backup",
                "platform",
                "Write all that the platform remembers to one file, mode 0600.",
                ("mooring state backup mooring.backup", "works while the platform runs"),
            ),
            entry(
                "state restore",
                "platform",
                "Bring back what a backup holds.",
                ("mooring down && mooring state restore mooring.backup", "the platform must be down"),
            ),
            entry(
                "token create",
                "tokens",
                "A new token, shown once.",
                ("mooring token create ci --role deployer", "may deploy, may not read secrets"),
            ),
            entry("token ls", "tokens", "Tokens: names, roles, ages.", ("mooring token ls", "never the tokens themselves")),
            entry("token revoke", "tokens", "End a token; its open streams end too.", ("mooring token revoke ci", "at once")),
        ),
    ),
    Section(
        "Help",
        (
            entry(
                "explain",
                "project",
                "What a key of mooring.toml means.",
                ("mooring explain deploy.drain_timeout", "type, default, example"),
            ),
            entry(
                "completion",
                "shell",
                "A completion script for your shell.",
                ("mooring completion bash >> ~/.bashrc", "for bash; also zsh and fish"),
            ),
            entry("version", "shell", "The version of Mooring.", ("mooring version", "of this command")),
        ),
    ),
)


def commands() -> tuple[Command, ...]:
    """All commands, in the order of the help page."""
    return tuple(command for section in SECTIONS for command in section.commands)


def find(path: str) -> Command | None:
    """The command of this path, or None."""
    return next((command for command in commands() if command.path == path), None)
