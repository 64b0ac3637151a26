"""Each kind of service is known wherever one is asked for by its kind."""

from __future__ import annotations

import pytest

from mooring.model.service import MADE_OF, PREFIXES, VARIABLES, ServiceKind


@pytest.mark.parametrize("kind", ServiceKind)
def test_a_kind_says_what_it_gives_and_what_it_is_made_of(kind: ServiceKind) -> None:
    assert PREFIXES[kind].isupper()
    assert VARIABLES[kind] and MADE_OF[kind]
