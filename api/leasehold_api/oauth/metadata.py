"""What the authorization server says about itself (RFC 8414)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from leasehold_api.oauth.clients import GRANT_TYPES


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
