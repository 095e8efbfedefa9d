"""What the authorization server says about itself (RFC 8414)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from leasehold_api.oauth.clients import GRANT_TYPES
from leasehold_api.oauth.id_tokens import CLAIMS as ID_TOKEN_CLAIMS


def metadata(issuer: str) -> dict[str, Any]:
    """Return the metadata document. Every address comes from the configured public URL.

    Raises:
        ValueError: if the issuer is not https (http is for loopback only).
    """
    document = AuthorizationServerMetadata(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/oauth/token",
            "registration_endpoint": f"{issuer}/oauth/register",
            "jwks_uri": f"{issuer}/oauth/jwks.json",
            "grant_types_supported": list(GRANT_TYPES),
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "dpop_signing_alg_values_supported": ["ES256"],
        }
    )
    document.validate_issuer()
    document.validate_token_endpoint()
    document.validate_registration_endpoint()
    return dict(document)


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
