"""What an OIDC provider says of itself (OpenID Connect Discovery 1.0), and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from leasehold_api.people.id_tokens import SIGNED_BY


class MetadataError(Exception):
    """The provider's metadata can't be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What signing in needs of a provider's metadata."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    algorithms: tuple[str, ...]
    """With which ID tokens may be signed."""
    secret_in_body: bool
    """The token endpoint takes the client's secret in the form only."""
    names_itself: bool
    """Answers at the redirect address have ``iss`` (RFC 9207)."""


def metadata_address(issuer: str) -> str:
    """Return where a provider's metadata is."""
    return issuer.removesuffix("/") + "/.well-known/openid-configuration"


def read_metadata(document: Mapping[str, Any], *, issuer: str) -> Metadata:
    """Return what is needed of a provider's metadata.

    Raises:
        MetadataError: if something is missing, unsafe, or from another issuer.
    """
    named = document.get("issuer")
    if named != issuer:
        raise MetadataError(
            f"the provider names itself {str(named)[:300]!r} and oidc_issuer is {issuer!r}: they must be the same to "
            "the letter, a slash at the end included"
        )
    offered = _texts(document, "id_token_signing_alg_values_supported") or ["RS256"]
    algorithms = tuple(name for name in SIGNED_BY if name in offered)
    if not algorithms:
        raise MetadataError(
            f"the provider signs ID tokens with {', '.join(offered)[:200]}; let it use one of {', '.join(SIGNED_BY)}"
        )
    challenges = _texts(document, "code_challenge_methods_supported")
    if challenges and "S256" not in challenges:
        raise MetadataError("the provider does not take PKCE with S256: switch it on there")
    how = _texts(document, "token_endpoint_auth_methods_supported")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_address(document, "authorization_endpoint", issuer),
        token_endpoint=_address(document, "token_endpoint", issuer),
        jwks_uri=_address(document, "jwks_uri", issuer),
        userinfo_endpoint=_address(document, "userinfo_endpoint", issuer) if "userinfo_endpoint" in document else None,
        algorithms=algorithms,
        secret_in_body=bool(how) and "client_secret_basic" not in how,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _address(document: Mapping[str, Any], name: str, issuer: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise MetadataError(f"the provider's metadata has no {name}")
    parts = urlsplit(value)
    if parts.scheme not in {"https", urlsplit(issuer).scheme} or not parts.hostname:
        raise MetadataError(f"the provider's {name} is {value[:300]!r}: it must be https")
    return value


def _texts(document: Mapping[str, Any], name: str) -> list[str]:
    value = document.get(name)
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
