"""The service's own TLS: certificate and key from files, read again when they were renewed."""

from __future__ import annotations

import logging
import ssl

from leasehold_api.config import Settings, SettingsError

log = logging.getLogger(__name__)


class OwnTls:
    """One context for all connections: what is loaded into it counts for those that come."""

    def __init__(self, settings: Settings) -> None:
        """Read certificate and key.

        Raises:
            SettingsError: if they can't be used.
        """
        self._settings = settings
        self.context = _context(settings)

    def read_again(self) -> None:
        """Take what the files have now; when that can't be used, the old certificate stays."""
        try:
            # Tried apart first: half of a renewal shall not take the place of what works.
            _context(self._settings)
            _load(self.context, self._settings)
        except SettingsError as error:
            log.error("the renewed certificate can't be used, and the old one stays", extra={"cause": str(error)})
        else:
            log.info("the certificate was read again")


def own_tls(settings: Settings) -> OwnTls | None:
    """Return the service's TLS; none when a proxy in front speaks it.

    Raises:
        SettingsError: if certificate or key can't be used.
    """
    return None if settings.tls_cert_file is None else OwnTls(settings)


def _context(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, settings)
    return context


def _load(context: ssl.SSLContext, settings: Settings) -> None:
    certificate, key = settings.tls_cert_file, settings.tls_key_file
    if certificate is None:
        raise SettingsError("there is no tls_cert_file")
    for file in (certificate, *([] if key is None else [key])):
        try:
            file.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"{file} can't be read: {error.strerror}. Let this user read it, or name another tls_cert_file or "
                "tls_key_file"
            ) from None
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{certificate} can't be used with the key in {key or certificate}: {_said(error)}. tls_cert_file has the "
            "certificate first, then those between it and the authority, and tls_key_file its key, both in PEM"
        ) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted, and nobody is there to type its password: decrypt it (openssl pkey)")


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error)
