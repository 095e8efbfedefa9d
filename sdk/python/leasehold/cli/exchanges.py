"""An exchange with a server: how long it may take, and what its failure means for a person."""

from __future__ import annotations

import ssl

import httpx

from leasehold.cli.errors import UnreachableError

CONNECT_S = 5.0
ANSWER_S = 30.0


def unreachable(url: str, error: Exception) -> UnreachableError:
    """Return what a failed exchange means for a person, by what stopped it."""
    if (tls := _tls_error(error)) is not None:
        return _tls_trouble(url, tls)
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return UnreachableError(
                f"{url} does not answer: no connection within {CONNECT_S:g} s.",
                "Check the address, and that no firewall or proxy is in between.",
            )
        case httpx.TimeoutException():
            return UnreachableError(f"{url} took too long to answer.", "Try again; the API may be overloaded.")
        case httpx.ConnectError():
            return UnreachableError(
                f"Cannot connect to {url}: {_words(error)}.",
                "Is the API running there (leasehold-api serve)? Is the port right?",
            )
        case _:
            return UnreachableError(
                f"The connection to {url} broke: {_words(error)}.",
                "Try again. If it stays so: is it https:// rather than http://, or a proxy that cuts connections?",
            )


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return the TLS error at the root of ``error``, if that is what it was."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _tls_trouble(url: str, error: ssl.SSLError) -> UnreachableError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return UnreachableError(
            f"{url} shows a certificate that this machine does not trust: {error.verify_message}.",
            "If its authority is your own, name its file: SSL_CERT_FILE=/path/ca.pem",
        )
    return UnreachableError(
        f"{url} does not speak TLS properly: {error.reason or error}.",
        "If the API is served without TLS there, its address begins with http://",
    )


def _words(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
