"""What can go wrong on the way to the API, sorted by what the caller does about it."""

from __future__ import annotations

from enum import StrEnum


class Trouble(StrEnum):
    """Why the API could not be used, for the message to the operator."""

    REFUSED_CONNECTION = "connection refused"
    DNS = "unknown host name"
    TLS = "TLS error"
    TLS_TIME = "TLS error, by this machine's clock"
    """The certificate is not good yet, or not any more, at the time that it is here."""
    PROXY = "the proxy on the way does not let it through"
    TIMEOUT = "no answer in time"
    BROKEN = "connection broken"
    BUSY = "the API is busy"
    SERVER_ERROR = "the API has an internal problem"
    NOT_THE_API = "the answer is not a Leasehold API's"
    OWN_DISK = "this machine's disk does not take what has to be on it first"
    TOKEN = "the access token was not accepted"  # noqa: S105 - a sentence, not a token


class LinkError(Exception):
    """A request to the API did not succeed."""


class UnavailableError(LinkError):
    """Later: nothing was said about the request itself. Undecodable answers (a proxy's login page) are this too."""

    def __init__(self, trouble: Trouble, detail: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{trouble.value}: {detail}" if detail else trouble.value)
        self.trouble = trouble
        self.detail = detail
        self.retry_after_s = retry_after_s
        """What the API asked for (``Retry-After``, RFC 9110, 10.2.3)."""


class RefusedError(LinkError):
    """Never: the same request will not succeed."""

    def __init__(self, status: int, code: str, detail: str = "", *, offset: int | None = None) -> None:
        super().__init__(f"{code} ({status}): {detail}" if detail else f"{code} ({status})")
        self.status = status
        self.code = code
        self.detail = detail
        self.offset = offset
        """With ``offset_mismatch``: where the API stands."""


class LeaseLostError(LinkError):
    """Stop the attempt at once: another one has its place."""


class LockedError(LinkError):
    """The agent is locked until an admin unlocks it."""


class TokenRejectedError(LinkError):
    """The access token is not accepted any more: get a new one and ask again."""
