"""The clients that everybody has: the command line, and agents that ask a person to let them in. They have no secret.

Written as Authlib wants to see an OAuth client (``authlib.oauth2.rfc6749.ClientMixin``).
"""

from __future__ import annotations

from dataclasses import dataclass

from leasehold_api.oauth.parts.redirects import allows

CODE = "authorization_code"
REFRESH = "refresh_token"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicClient:
    """A program without a secret: who uses it is known only when a person approves."""

    id: str
    name: str
    """For people, on the pages that ask them."""
    grants: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()
    """Exact, but for the port on loopback."""

    def get_client_id(self) -> str:
        """Return its id."""
        return self.id

    def check_client_secret(self, _secret: str) -> bool:
        """It has none, so none is right."""
        return False

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """It says its name and proves nothing; introspection is not for it."""
        return method == "none" and endpoint != "introspection"

    def check_grant_type(self, grant_type: str) -> bool:
        """Say whether it may use a grant."""
        return grant_type in self.grants

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Say whether codes may be sent there."""
        return any(allows(registered, redirect_uri) for registered in self.redirect_uris)


CLI = PublicClient(
    id="leasehold-cli",
    name="the leasehold command line",
    grants=(CODE, REFRESH, DEVICE),
    redirect_uris=tuple(f"http://{host}{path}" for host in ("127.0.0.1", "[::1]") for path in ("/callback", "/", "")),
)
AGENT = PublicClient(id="edge-agent", name="a new edge agent", grants=(DEVICE,))

PUBLIC_CLIENTS = {client.id: client for client in (CLI, AGENT)}
