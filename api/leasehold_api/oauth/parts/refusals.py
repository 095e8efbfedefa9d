"""Refusals of the OAuth endpoints (RFC 6749 section 5.2). They are answers, so what led to them persists."""

from __future__ import annotations

from leasehold_api.oauth.parts.authlib_parts import OAuth2Error


class RefusalError(OAuth2Error):  # type: ignore[misc]  # Authlib has no type information
    """A request is refused, with a description that names the cure; ``code`` is for programs, like a problem's."""

    def __init__(self, error: str, description: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(error=error, description=_allowed(description), status_code=status)
        self.code = code

    def get_body(self) -> list[tuple[str, str]]:
        """Return the members of the JSON answer."""
        body: list[tuple[str, str]] = super().get_body()
        return [*body, ("code", self.code)] if self.code else body


def _allowed(text: str) -> str:
    """Return ``text`` in the characters that RFC 6749 allows: printable ASCII without quotation mark and backslash."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" if c == '"' else "?" for c in text)
