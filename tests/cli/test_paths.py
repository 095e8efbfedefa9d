"""Names on their way into paths: quoted, and refused where a slash would lead to another route."""

from __future__ import annotations

import pytest

from leasehold.cli.api import Api
from leasehold.cli.credentials import ApiToken
from leasehold.cli.errors import WrongInputError
from tests.cli.conftest import TOKEN, URL


async def test_a_key_with_signs_in_it_stays_one_piece_of_the_path() -> None:
    async with Api(url=URL, credentials=ApiToken(TOKEN)) as api:
        assert api.of_team("variables", "a/b?c#d") == "/v1/teams/default/variables/a%2Fb%3Fc%23d"


async def test_a_name_with_a_slash_is_refused_before_it_leads_to_another_route() -> None:
    async with Api(url=URL, credentials=ApiToken(TOKEN)) as api:
        with pytest.raises(WrongInputError, match="cannot be a name"):
            api.of_team("sites", "north/enrolment-tokens")
