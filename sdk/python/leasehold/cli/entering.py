"""A person signs in: with a code that they type in any browser, or with the browser of this machine."""

from __future__ import annotations

import hashlib
import secrets
import time
import webbrowser
from base64 import urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import urlencode

from leasehold.cli import screen
from leasehold.cli.authority import Authority, DeviceCodes
from leasehold.cli.errors import NotSignedInError
from leasehold.cli.kept_sign_in import CLIENT_ID, KeptSignIn
from leasehold.cli.loopback import Loopback

BROWSER_S = 300.0
"""How long the browser may take."""


def enter_with_code(authority: Authority, *, pause: Callable[[float], None] = time.sleep) -> KeptSignIn:
    """Show an address and a code, and wait until somebody typed it there.

    Raises:
        NotSignedInError: if nobody did in time, or they said no.
    """
    codes = authority.ask_to_enter()
    screen.say(f"Open {codes.address} in a browser and type the code", stderr=True)
    screen.say(f"\n    {codes.user_code}\n", stderr=True)
    screen.say(f"or open {codes.direct_address}", stderr=True)
    console = screen.screen(stderr=True)
    if console.is_terminal:
        with console.status("Waiting until you have let this command in …"):
            return _poll(authority, codes, pause)
    return _poll(authority, codes, pause)


def _poll(authority: Authority, codes: DeviceCodes, pause: Callable[[float], None]) -> KeptSignIn:
    interval_s, waited_s = codes.interval_s, 0.0
    while waited_s < codes.expires_in_s:
        pause(interval_s)
        waited_s += interval_s
        answer = authority.poll(codes, now=time.time())
        if isinstance(answer, KeptSignIn):
            return answer
        interval_s += answer
    raise NotSignedInError("Nobody typed the code in time.", f"leasehold login {authority.url}")


def enter_with_browser(authority: Authority, *, open_page: Callable[[str], bool] = webbrowser.open) -> KeptSignIn:
    """Open the browser of this machine, and wait until it comes back (authorization code, PKCE, RFC 8252).

    Raises:
        NotSignedInError: if it does not come back in time, or the person said no.
    """
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with Loopback(state=state, issuer=authority.url) as loopback:
        question = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": loopback.address,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": state,
        }
        page = f"{authority.url}/oauth/authorize?{urlencode(question)}"
        if not open_page(page):
            screen.say("No browser opens from here. Open this address in one on this machine:", stderr=True)
            screen.say(page, stderr=True)
        else:
            screen.say("A page was opened in your browser: go on there.", stderr=True)
        code = loopback.wait(BROWSER_S)
        return authority.redeem(code, redirect_uri=loopback.address, verifier=verifier, now=time.time())
