"""Certificates: until when they are good, and whether anybody trusts them."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509

from leasehold_api.config import Settings
from leasehold_protocol.findings import Finding, fine, problem, warning

_STEP_S = 10.0
_SOON = timedelta(days=21)
_RENEW = "Renew it: without a good certificate no agent gets in."


def check_own_certificate(settings: Settings) -> Iterator[Finding]:
    """Look at the certificate that the service itself shows, where it does."""
    if settings.tls_cert_file is None:
        return
    try:
        certificates = x509.load_pem_x509_certificates(settings.tls_cert_file.read_bytes())
    except (OSError, ValueError) as error:
        cure = "Name a PEM file with the certificate first, then those between it and the authority."
        yield problem("certificate", f"{settings.tls_cert_file} can't be used: {error}", cure)
        return
    yield _validity("certificate", f"the one in {settings.tls_cert_file}", certificates[0], took_ms=None)


def check_shown_certificate(url: str) -> Finding:
    """Look at the certificate that whoever answers at an ``https://`` address shows."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    started = time.monotonic()
    try:
        with (
            socket.create_connection((host, port), timeout=_STEP_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured,
        ):
            certificate = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message or error.reason
        if "expired" in why:
            return problem("tls", f"the certificate of {host} is not trusted: {why}", _RENEW)
        cure = (
            "If your certificate authority is a private one, let this machine trust it, too (SSL_CERT_FILE); agents "
            "name it with ca_file. Else use the name that the certificate is made out to, and send the whole chain."
        )
        return problem("tls", f"the certificate of {host} is not trusted here: {why}", cure)
    except OSError as error:
        cure = "Look whether the proxy, or this service with tls_cert_file, listens there and speaks TLS."
        return problem("tls", f"no TLS with {host}:{port}: {error}", cure)
    took = round((time.monotonic() - started) * 1000, 1)
    return _validity("tls", f"{host} shows one by {_issuer(certificate)}", certificate, took_ms=took)


def _validity(check: str, which: str, certificate: x509.Certificate, *, took_ms: float | None) -> Finding:
    now, ends_at = datetime.now(UTC), certificate.not_valid_after_utc
    text = f"{which}, good until {ends_at:%Y-%m-%d}"
    if ends_at <= now:
        return problem(check, f"{which}, expired on {ends_at:%Y-%m-%d}", _RENEW, took_ms=took_ms)
    if certificate.not_valid_before_utc > now:
        return problem(check, f"{which}, not good yet", "Correct this machine's clock.", took_ms=took_ms)
    if ends_at - now < _SOON:
        return warning(check, text, _RENEW, took_ms=took_ms)
    return fine(check, text, took_ms=took_ms)


def _issuer(certificate: x509.Certificate) -> str:
    return certificate.issuer.rfc4514_string()
