"""What is said of what several tools have and Mooring has not, or not yet. When it comes, a line here becomes a mapping.

Must not: know a dialect's keys.
"""

from __future__ import annotations

from mooring.manifest.moving.translation import Outcome, Told

NO_IMAGES = Told(
    Outcome.NOT_MAPPED,
    "the builder is found by the files there are, and an image is run by its digest alone, on hosts with a container engine",
    'nothing, or choose: [build] builder = "dockerfile", or image = "NAME@sha256:…"',
)
FOR_ENGINES = "it is for hosts with a container engine (`mooring host add`); elsewhere the builder is found by the files there are"
NO_ACCESSORIES = Told(
    Outcome.NOT_MAPPED,
    "it is a program of its own, and what it keeps is moved by you",
    "declare it as [accessories.NAME], or leave it where it is and give the app its address with `mooring secret set`",
)
NO_VOLUMES = Told(
    Outcome.NOT_YET,
    "each release runs in a folder of its own, and no volume is put into it",
    "give the app the path of a folder that stays: `mooring config set DATA_DIR=/srv/APP`",
)
OTHER_HOSTS = Told(
    Outcome.NOT_MAPPED,
    "the app runs on the controller's own machine until a region is named",
    "`mooring host add USER@ADDRESS --region NAME` for each machine, then [regions.NAME]",
)
NO_CPUS = Told(
    Outcome.NOT_MAPPED, "it is the size of a machine, and instances share theirs", "cpus below [processes.NAME] is the most that one takes"
)
NO_ADDONS = Told(Outcome.NOT_MAPPED, "nothing is provisioned", "set the address of a service that you have with `mooring secret set`")
NO_REGISTRY = Told(Outcome.NEEDLESS, "images reach hosts without one", "`mooring registry add` for one that images are fetched from")
BY_ITSELF_RESTARTED = Told(Outcome.NEEDLESS, "what ends by itself is started again, with growing pauses")
LOGS_ARE_KEPT = Told(Outcome.NEEDLESS, "what processes print is kept and rotated", "`mooring logs` shows it")
NO_LABELS = Told(Outcome.NOT_MAPPED, "instances have no labels", "nothing: what routes or watches by them has to be told in another way")
CERTIFICATES = Told(
    Outcome.NEEDLESS,
    "every public hostname gets a certificate, once the platform has an address for the authority",
    "`mooring up --acme-email ADDRESS`",
)
OWN_CERTIFICATE = Told(
    Outcome.NOT_MAPPED,
    "certificates of your own are kept by the platform",
    "`mooring certs add --cert chain.pem --key key.pem --for HOSTNAME`",
)
NOTHING_WHERE_STATED = Told(Outcome.NEEDLESS, "it says what holds anyway")
RUN_BY_HAND = "`mooring run -- COMMAND` runs it in the app's environment"
