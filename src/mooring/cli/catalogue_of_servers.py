"""The catalogue's commands about hosts, services, images and certificates. Must not: hold options, or run anything."""

from __future__ import annotations

from mooring.cli.entries import Section, entry

SECTIONS = (
    Section(
        "Hosts",
        (
            entry(
                "host add",
                "hosts",
                "Let apps run on another machine, reached by SSH.",
                ("mooring host add root@203.0.113.7 --region eu", "shows what it would do there, and asks"),
                ("mooring host add deploy@10.0.0.5 --runtime systemd --fingerprint SHA256:…", "without a terminal"),
                about="It is looked at first; its host key is pinned, and another one is never accepted afterwards.",
            ),
            entry("host ls", "hosts", "Hosts: how each is seen, and what runs there.", ("mooring host ls", "of all regions")),
            entry("host check", "hosts", "Look at a host anew.", ("mooring host check web-1", "system, clock, disk, memory, runtime")),
            entry(
                "host drain",
                "hosts",
                "Place nothing new on a host.",
                ("mooring host drain web-1", "what runs there moves away with each app's next deployment"),
                ("mooring host drain web-1 --off", "use it again"),
            ),
            entry(
                "host rm",
                "hosts",
                "Undo what was done on a host, and forget it.",
                ("mooring host rm web-1", "once nothing runs there any more"),
                ("mooring host rm web-1 --lost", "it will never answer again"),
            ),
            entry(
                "host key",
                "hosts",
                "The controller's own public key.",
                ("mooring host key", "for ~/.ssh/authorized_keys of the account on the host"),
            ),
        ),
    ),
    Section(
        "Deploying with git push",
        (
            entry(
                "key add",
                "push_keys",
                "Let a key `git push` to this platform, and nothing else.",
                ("mooring key add anna < ~/.ssh/id_ed25519.pub", "then: git remote add mooring ssh://USER@HOST/APP"),
                ("mooring key add ci --only shop < ci.pub", "for one app; --only may be given again"),
                about="Only the public half. It stands in authorized_keys of the account that runs the platform, and opens no shell.",
            ),
            entry("key ls", "push_keys", "The keys that may push.", ("mooring key ls", "names, apps, fingerprints")),
            entry("key rm", "push_keys", "Let a key push no more.", ("mooring key rm anna", "at once, for every app")),
            entry(
                "git-receive",
                "push_keys",
                "Take a push: what sshd runs for such a key.",
                ("mooring git-receive --key anna --state /srv/mooring", "by sshd alone"),
            ),
            entry(
                "git-deploy",
                "push_keys",
                "Deploy a branch that is being pushed: what git runs then.",
                ("mooring git-deploy refs/heads/main OLD NEW", "by git alone"),
            ),
        ),
    ),
    Section(
        "Images",
        (
            entry(
                "registry add",
                "registries",
                "Fetch images of a registry as somebody.",
                ("mooring registry add ghcr.io --username anna", "asks for the password, or takes it from a pipe"),
                (
                    "mooring registry add registry.example --username ci --images team/apps",
                    "what is built here reaches hosts through it, too",
                ),
                about="For `build.image`, for what a Dockerfile begins with, and for hosts. The password is kept encrypted.",
            ),
            entry("registry ls", "registries", "Registries, and as whom each is asked.", ("mooring registry ls", "never the passwords")),
            entry("registry rm", "registries", "Forget a registry and its password.", ("mooring registry rm ghcr.io", "at once")),
        ),
    ),
    Section(
        "Deploying from CI",
        (
            entry(
                "ci init",
                "pipelines",
                "Write the file by which a forge's CI deploys.",
                ("mooring ci init github --server ssh://deploy@203.0.113.7", "writes .github/workflows/deploy.yml"),
                ("mooring ci init gitlab --server ssh://deploy@203.0.113.7 --branch release", "writes .gitlab-ci.yml"),
                about="It pushes with a key of `mooring key add`, after whatever else runs there. An existing file is left alone.",
            ),
        ),
    ),
    Section(
        "Deploying what a forge holds",
        (
            entry(
                "forge add",
                "forges",
                "Deploy this app whenever its forge is pushed to.",
                ("printf '%s\\n' $TOKEN $SECRET | mooring forge add github --repo acme/shop", "with a hook that is signed with the secret"),
                (
                    "printf %s $TOKEN | mooring forge add gitea --repo acme/shop --url https://git.example.com",
                    "only looked at, every minute",
                ),
                ("mooring forge add git --repo file:///srv/git/shop.git < /dev/null", "a plain repository"),
                about="The token and the hook's secret are read from standard input, a line each; at a terminal they are asked for. "
                "What the branches hold now counts as seen: the next push deploys.",
            ),
            entry("forge ls", "forges", "The forges, and how the last look at each went.", ("mooring forge ls", "of all apps")),
            entry("forge check", "forges", "Ask a forge what the token reaches.", ("mooring forge check", "and look at its branches now")),
            entry("forge rm", "forges", "Forget this app's forge; what runs goes on.", ("mooring forge rm", "no push deploys any more")),
        ),
    ),
    Section(
        "Data services",
        (
            entry(
                "service add-server",
                "services",
                "Let services come from a server that is there already.",
                (
                    "mooring service add-server main --type postgres < address",
                    "the administrator's URL from a pipe; at a terminal it is asked for",
                ),
                ("mooring service add-server more --type mysql < address", "MySQL or MariaDB"),
                ("mooring service add-server cache --type redis < address", "Redis or Valkey"),
                ("mooring service add-server files --type bucket < address", "a bucket of any S3 endpoint that makes keys"),
                ("echo sqlite:////var/lib/databases | mooring service add-server disk --type sqlite", "a directory of this machine"),
                about="The address is a secret, and kept as one. It is looked at first: version, rights, what else lets everybody in.",
            ),
            entry(
                "service servers",
                "services",
                "The servers: how each is, and what comes from it.",
                ("mooring service servers", "of all types"),
            ),
            entry(
                "service rm-server",
                "services",
                "Forget a server that nothing comes from.",
                ("mooring service rm-server main", "nothing on it is touched"),
            ),
            entry(
                "service ls",
                "services",
                "The services of an environment: where and how large.",
                ("mooring service ls", "those of production"),
            ),
            entry(
                "service rotate",
                "services",
                "A new password, without failing a request.",
                ("mooring service rotate db", "every instance anew, then the old one ends"),
            ),
            entry(
                "service dump",
                "services",
                "All that is in a service, as one file.",
                ("mooring service dump db shop.dump", "mode 0600; made while the app runs"),
            ),
            entry(
                "service restore",
                "services",
                "Bring back what a dump holds.",
                ("mooring service restore db shop.dump --confirm shop/production/db", "all of it, or nothing"),
            ),
            entry(
                "service rm",
                "services",
                "Remove a service that no release declares any more.",
                ("mooring service rm db --confirm shop/production/db", "with all that is in it"),
            ),
        ),
    ),
    Section(
        "HTTPS",
        (
            entry(
                "certs ls",
                "certs",
                "Public hostnames: certificates, their ends, what went wrong.",
                ("mooring certs ls", "of all apps; `ls` may be left out"),
            ),
            entry(
                "certs add",
                "certs",
                "Use a certificate of your own, in the place of an older one.",
                ("mooring certs add --cert chain.pem --key key.pem", "for every hostname that it is for"),
                about="Checked first: key, order of the chain, names, times. Shown within seconds; no connection is closed.",
            ),
            entry(
                "certs renew",
                "certs",
                "Order a hostname's certificate anew at once.",
                ("mooring certs renew shop.example.com", "the old one is shown until the new one is there"),
            ),
            entry(
                "certs remove",
                "certs",
                "Stop using a certificate of your own.",
                ("mooring certs remove shop.example.com", "the platform's own takes its place, where it has one"),
            ),
        ),
    ),
)
