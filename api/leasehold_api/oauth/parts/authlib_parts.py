"""The parts of Authlib that the server is made of, without types.

Authlib ships none, and the stubs that type checkers bring along describe another version; what our code relies on is in
its own signatures.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2 import rfc6749, rfc7009, rfc7523, rfc7591, rfc7636, rfc7662
from authlib.oauth2.rfc6749 import grants, requests

AuthorizationServer: Any = rfc6749.AuthorizationServer
BaseGrant: Any = grants.BaseGrant
BasicOAuth2Payload: Any = requests.BasicOAuth2Payload
ClientCredentialsGrant: Any = grants.ClientCredentialsGrant
ClientRegistrationEndpoint: Any = rfc7591.ClientRegistrationEndpoint
IntrospectionEndpoint: Any = rfc7662.IntrospectionEndpoint
JsonRequest: Any = rfc6749.JsonRequest
JWTBearerClientAssertion: Any = rfc7523.JWTBearerClientAssertion
OAuth2Error: Any = rfc6749.OAuth2Error
OAuth2Request: Any = rfc6749.OAuth2Request
RevocationEndpoint: Any = rfc7009.RevocationEndpoint
TokenEndpointMixin: Any = grants.TokenEndpointMixin
create_s256_code_challenge: Any = rfc7636.create_s256_code_challenge
