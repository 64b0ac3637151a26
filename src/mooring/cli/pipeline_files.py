"""What a forge's own CI runs to deploy: the `git push` that a person runs, with a key that may do nothing else. Must not: hold a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_SCRIPT = """\
umask 077
mkdir -p "$HOME/.ssh"
printf '%s\\n' "$MOORING_KEY" > "$HOME/.ssh/mooring"
printf '%s\\n' "$MOORING_KNOWN_HOSTS" > "$HOME/.ssh/mooring_hosts"
options="-o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
export GIT_SSH_COMMAND="ssh -i '$HOME/.ssh/mooring' -o UserKnownHostsFile='$HOME/.ssh/mooring_hosts' $options"
git push ADDRESS HEAD:refs/heads/BRANCH
"""
_GITHUB = """\
# Deploys what is pushed to BRANCH. Written by `mooring ci init`; the secrets are MOORING_KEY and MOORING_KNOWN_HOSTS.
name: deploy
on:
  push:
    branches: ["BRANCH"]
permissions:
  contents: read
concurrency: deploy-BRANCH
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
          persist-credentials: false
      - name: Deploy
        env:
          MOORING_KEY: ${{ secrets.MOORING_KEY }}
          MOORING_KNOWN_HOSTS: ${{ secrets.MOORING_KNOWN_HOSTS }}
        run: |
SCRIPT"""
_GITLAB = """\
# Deploys what is pushed to BRANCH. Written by `mooring ci init`; the variables are MOORING_KEY and MOORING_KNOWN_HOSTS.
deploy:
  stage: deploy
  image: debian:stable-slim
  rules:
    - if: $CI_COMMIT_BRANCH == "BRANCH"
  resource_group: deploy-BRANCH
  variables:
    GIT_DEPTH: "0"
  before_script:
    - apt-get update -qq && apt-get install -y -qq --no-install-recommends git openssh-client
  script:
    - |
SCRIPT"""


class PipelineFile(NamedTuple):
    """`name` from the repository's top; the script stands `indent` columns deep in it."""

    name: str
    text: str
    indent: int


FILES: Mapping[str, PipelineFile] = {
    "github": PipelineFile(".github/workflows/deploy.yml", _GITHUB, 10),
    "gitlab": PipelineFile(".gitlab-ci.yml", _GITLAB, 6),
}


def pipeline_file(forge: str, *, address: str, branch: str) -> PipelineFile:
    """The file as it is to be written. Address and branch were checked: neither can end a word of the shell or of YAML."""
    found = FILES[forge]
    script = "".join(f"{' ' * found.indent}{each}\n" for each in _SCRIPT.splitlines())
    text = found.text.replace("SCRIPT", script).replace("ADDRESS", address).replace("BRANCH", branch)
    return found._replace(text=text)
