"""An agent as Authlib wants to see an OAuth client (``authlib.oauth2.rfc6749.ClientMixin``)."""

from __future__ import annotations

from leasehold_api.oauth.kept.store import EnrolledAgent

AUTH_METHOD = "private_key_jwt"
GRANT_TYPES = ("client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange")


class AgentClient:
    """One enrolled agent; it has no secret, no redirect URI and no scopes to ask for."""

    def __init__(self, agent: EnrolledAgent) -> None:
        self.agent = agent
        self.proven_jkt: str | None = None
        """The key that its assertion was signed with, once that is verified."""

    def get_client_id(self) -> str:
        """Return the agent's id."""
        return self.agent.id

    def check_client_secret(self, _secret: str) -> bool:
        """It has none, so none is right."""
        return False

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - Authlib's signature
        """Agents authenticate with their key."""
        return method == AUTH_METHOD

    def check_grant_type(self, grant_type: str) -> bool:
        """Say whether agents may use a grant."""
        return grant_type in GRANT_TYPES
