"""What happens when a page can't be shown: people are sent to sign in, and errors are pages themselves."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from leasehold_api.http.pages.rendering import redirect_to_sign_in
from leasehold_api.http.pages.session import SignInNeededError


def install(app: FastAPI) -> None:
    """Send people who are not signed in to the sign-in page."""

    @app.exception_handler(SignInNeededError)
    async def sign_in_first(request: Request, error: SignInNeededError) -> Response:
        return redirect_to_sign_in(request, error.next_path)
