"""An OpenID Connect provider that can be told to lie, one lie at a time."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import respx
from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER = "https://provider.example"
CLIENT = "leasehold"
ACCESS_TOKEN = "an access token"


@dataclass
class LyingProvider:
    """What it answers; a test changes what it lies about."""

    now: float
    nonce: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k1"}))
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    signer: Any = None
    published: list[Any] | None = None
    user_info: dict[str, Any] = field(default_factory=lambda: {"sub": "s-1"})
    token: Callable[[LyingProvider], str] | None = None
    refusal: httpx.Response | Exception | None = None
    """What the token endpoint does instead of giving tokens."""
    keys_read: int = 0
    last_form: str = ""

    def about_itself(self) -> dict[str, Any]:
        """Return its metadata."""
        return {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def id_token(self) -> str:
        """Return the ID token."""
        if self.token is not None:
            return self.token(self)
        claims = self.true_claims() | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "ES256", "kid": "k1", **self.header}
        return jwt.encode(header, claims, self.signer or self.key, algorithms=[header["alg"]])

    def true_claims(self) -> dict[str, Any]:
        """Return what an honest provider would say."""
        digest = hashlib.sha256(ACCESS_TOKEN.encode()).digest()[:16]
        return {
            "iss": ISSUER,
            "sub": "s-1",
            "aud": CLIENT,
            "exp": int(self.now) + 300,
            "iat": int(self.now),
            "nonce": self.nonce,
            "at_hash": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "preferred_username": "author-1",
            "groups": ["data"],
        }

    def jwks(self) -> dict[str, Any]:
        """Return its public keys."""
        self.keys_read += 1
        return {"keys": [self.key.as_dict(private=False)] if self.published is None else self.published}

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Answer at its address."""

        def redeem(request: httpx.Request) -> httpx.Response:
            self.last_form = request.content.decode()
            if isinstance(self.refusal, Exception):
                raise self.refusal
            if self.refusal is not None:
                return self.refusal
            return httpx.Response(200, json={"access_token": ACCESS_TOKEN, "id_token": self.id_token()})

        with respx.mock(base_url=ISSUER, assert_all_called=False) as router:
            router.get("/.well-known/openid-configuration").mock(
                side_effect=lambda _request: httpx.Response(200, content=json.dumps(self.about_itself()))
            )
            router.get("/jwks").mock(side_effect=lambda _request: httpx.Response(200, json=self.jwks()))
            router.get("/userinfo").mock(side_effect=lambda _request: httpx.Response(200, json=self.user_info))
            router.post("/token").mock(side_effect=redeem)
            yield
