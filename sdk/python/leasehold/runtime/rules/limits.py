"""How large a request may be."""

from __future__ import annotations

from leasehold.runtime.rules.refusals import RefusedRequestError

SMALL_BODY = 1024 * 1024
LARGE_BODY = 64 * 1024 * 1024
"""Bytes of a body: of most requests, and of a result or XCom."""


def longest_body(method: str, path: str) -> int:
    """Return how many bytes the body of a request may have."""
    return LARGE_BODY if method == "PUT" and path.startswith(("/v1/xcoms/", "/v1/result")) else SMALL_BODY


def too_large(limit: int) -> RefusedRequestError:
    """Return the refusal of a body of more than ``limit`` bytes."""
    shown = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit} bytes"
    cure = "split it, or push it as a file (PUT /v1/files)"
    return RefusedRequestError(413, "body_too_large", f"the body is larger than {shown}: {cure}", closes=True)
