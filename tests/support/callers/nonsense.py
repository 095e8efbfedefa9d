"""What is no credential at all, and callers without any."""

from __future__ import annotations

import json

from tests.support.agent_key import unsigned_jwt
from tests.support.callers.answers import BEARER, STRANGE
from tests.support.callers.cast import Call, CallerKind, Cast, body_of
from tests.support.callers.showing import with_header


async def nobody(cast: Cast) -> Call:
    """Call without any credential."""
    return lambda method, path: cast.api.client.request(method, path, **body_of(method))


def unsigned(cast: Cast) -> str:
    """Show north's claims with ``alg`` none."""
    claims = cast.api.house.signing_keys.verified(cast.north.token, typ="at+jwt")
    return f"DPoP {unsigned_jwt({'typ': 'at+jwt', 'alg': 'none'}, claims)}"


NONSENSE: list[CallerKind] = [
    CallerKind("nobody", nobody, STRANGE),
    CallerKind("alg none", with_header(unsigned), STRANGE),
    CallerKind("empty bearer", with_header("Bearer "), BEARER),
    CallerKind("empty DPoP", with_header("DPoP"), STRANGE),
    CallerKind("basic", with_header("Basic YWRtaW46YWRtaW4="), STRANGE),
    CallerKind("not ASCII", with_header("DPoP é\u202e☃"), STRANGE),
    CallerKind("dots only", with_header("DPoP ..."), STRANGE),
    CallerKind("nested JSON", with_header("DPoP " + "W1tb" * 2000 + ".e30.AA"), STRANGE),
    CallerKind("wrong secret", with_header(lambda cast: f"Bearer {cast.api.admin_token[:-1]}"), BEARER),
    CallerKind("another kind's prefix", with_header(f"Bearer enr_0123456789ab.{'a' * 43}"), BEARER),
    CallerKind("JSON as token", with_header("Bearer " + json.dumps({"role": "admin"})), BEARER),
]
