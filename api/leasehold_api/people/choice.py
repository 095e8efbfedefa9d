"""Which provider the settings name."""

from __future__ import annotations

from leasehold_api import clock
from leasehold_api.config import Settings
from leasehold_api.people.provider import Provider, Registration

CALLBACK = "/sign-in/callback"
"""Where the provider sends people back to: register it there, after the public address."""


def provider_of(settings: Settings) -> Provider | None:
    """Return the provider that people sign in at, if there is one."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    registration = Registration(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        secret_file=settings.oidc_client_secret_file,
        scopes=settings.oidc_scopes,
        groups_claim=settings.oidc_groups_claim,
        name_claim=settings.oidc_name_claim,
        redirect_uri=settings.issuer() + CALLBACK,
    )
    return Provider(registration, clock=clock.now)
