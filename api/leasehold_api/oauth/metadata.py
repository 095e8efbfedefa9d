"""What the authorization server says about itself (RFC 8414)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from leasehold_api.oauth.parts.client_authentication import ASSERTION, EVERY_METHOD
from leasehold_api.oauth.parts.scopes import SCOPES
from leasehold_api.oauth.programs.service_clients import ALGORITHMS
from leasehold_api.oauth.server import GRANTS
from leasehold_api.oauth.token_endpoints import INTROSPECTION_METHODS, REVOCATION_METHODS
from leasehold_api.oauth.tokens.id_tokens import CLAIMS as ID_TOKEN_CLAIMS

_ASSERTION_ALGORITHMS = sorted({name for names in ALGORITHMS.values() for name in names})


def metadata(issuer: str) -> dict[str, Any]:
    """Return the metadata document. Every address comes from the configured public URL.

    Raises:
        ValueError: if the issuer is not https (http is for loopback only).
    """
    document = AuthorizationServerMetadata(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/oauth/authorize",
            "token_endpoint": f"{issuer}/oauth/token",
            "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
            "revocation_endpoint": f"{issuer}/oauth/revoke",
            "introspection_endpoint": f"{issuer}/oauth/introspect",
            "registration_endpoint": f"{issuer}/oauth/register",
            "jwks_uri": f"{issuer}/oauth/jwks.json",
            "scopes_supported": list(SCOPES),
            "grant_types_supported": [grant.GRANT_TYPE for grant in GRANTS],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "dpop_signing_alg_values_supported": ["ES256"],
            **_methods("token", EVERY_METHOD),
            **_methods("revocation", REVOCATION_METHODS),
            **_methods("introspection", INTROSPECTION_METHODS),
        }
    )
    document.validate()
    return dict(document)


def _methods(endpoint: str, methods: tuple[str, ...]) -> dict[str, list[str]]:
    named = {f"{endpoint}_endpoint_auth_methods_supported": list(methods)}
    if ASSERTION in methods:
        named[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = _ASSERTION_ALGORITHMS
    return named


def openid_configuration(issuer: str) -> dict[str, Any]:
    """Return what relying parties of tasks' identity tokens look up (OpenID Connect Discovery 1.0, section 3).

    There is no authorization endpoint: a task asks on its own socket, nobody is sent to a page.
    """
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/oauth/jwks.json",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid"],
        "claims_supported": list(ID_TOKEN_CLAIMS),
    }
