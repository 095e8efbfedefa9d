"""Running the app under uvicorn: settings that fit long polls, an orderly stop, errors that say what to do."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from leasehold_api.app import make_app
from leasehold_api.building import open_house
from leasehold_api.config import Settings
from leasehold_api.http.house import House
from leasehold_api.local_agent import LocalAgent
from leasehold_api.noted_address import note_address
from leasehold_api.own_tls import OwnTls, own_tls
from leasehold_api.service_manager import say_ready, say_reloading, say_stopping
from leasehold_api.unfinished_restore import refuse_half

_GUESTS_CHANCES = 2
GRACE_S = 15
"""How long requests under way may take once the service was asked to stop."""


log = logging.getLogger(__name__)


class PortInUseError(Exception):
    """Another program listens there."""


def listen(settings: Settings) -> socket.socket:
    """Return a listening socket.

    Raises:
        PortInUseError: if the port is taken.
        OSError: if the address can't be listened on.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _keep_alive(listener, settings.keepalive_s)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"port {settings.port} on {settings.host} is in use; stop what listens there, or take another: --port"
            ) from None
        raise
    listener.set_inheritable(True)
    return listener


def _keep_alive(listener: socket.socket, seconds: int) -> None:
    """Let the kernel end connections whose other end vanished without a word; accepted ones inherit this."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {
        "TCP_KEEPIDLE": seconds,
        "TCP_KEEPINTVL": seconds,
        "TCP_KEEPCNT": 1,
        "TCP_USER_TIMEOUT": 2000 * seconds,
    }
    for name, value in wanted.items():
        if (option := getattr(socket, name, None)) is not None:  # Not every system has each of them.
            listener.setsockopt(socket.IPPROTO_TCP, option, value)


async def serve(
    settings: Settings, listener: socket.socket, *, ready: Callable[[str], None], local_agent: Path | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; call ``ready`` with the address when requests are taken.

    ``local_agent`` is the agent's command, where one is to run beside the service.

    Raises:
        SettingsError: if the certificate can't be used, or half of a backup lies there.
        What ``open_house`` raises.
    """
    refuse_half(settings.state_dir)
    tls = own_tls(settings)
    async with open_house(settings) as house:
        note_address(settings.state_dir, house.authority.issuer)
        guest = None if local_agent is None else LocalAgent(house, local_agent)
        server = _Server(make_app(house), house, guest, tls, ready=lambda: ready(house.authority.issuer))
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, tls, house.authority.issuer)
        _settle_memory()
        await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Uvicorn, but requests that wait for work are answered before it stops; else they would end with an error."""

    def __init__(
        self, app: FastAPI, house: House, guest: LocalAgent | None, tls: OwnTls | None, *, ready: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=GRACE_S,
                # Longer than an agent's pause between two requests, so that its connection is still there.
                timeout_keep_alive=75,
                server_header=False,
                forwarded_allow_ips=house.settings.trusted_proxies,
                ssl_context_factory=None if tls is None else lambda _config, _default: tls.context,
            )
        )
        self._house = house
        self._asked = 0
        self._guest = guest
        self._guest_stays: asyncio.Task[None] | None = None
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take requests."""
        await super().startup(sockets)
        self._ready()
        say_ready(self._house.authority.issuer)
        if self._guest is not None:
            self._guest_stays = asyncio.create_task(self._guest.run())
            self._guest_stays.add_done_callback(self._guest_left)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to stop: answer everyone who waits. The second time: stop at once.

        A local agent goes first: what it still has is delivered to this service. The second time it cancels its work.
        """
        self._asked += 1
        say_stopping()
        stays = self._guest_stays is not None and not self._guest_stays.done()
        if self._guest is not None and stays and self._asked <= _GUESTS_CHANCES:
            self._guest.stop()
        else:
            self._stop()

    def _guest_left(self, stay: asyncio.Task[None]) -> None:
        if not stay.cancelled() and (error := stay.exception()) is not None:
            log.error("the local agent can't be kept running", exc_info=error)
        if self._asked:
            self._stop()

    def _stop(self) -> None:
        self._house.stop_waiting()
        # Not uvicorn's own: that would raise the signal again at the end, and an orderly stop would not exit with 0.
        self.force_exit = self.should_exit
        self.should_exit = True


def _reload(tls: OwnTls | None, issuer: str) -> None:
    """SIGHUP: take a renewed certificate. Connections that are open keep theirs."""
    say_reloading()
    if tls is None:
        log.info("nothing to read again: the service does not speak TLS itself")
    else:
        tls.read_again()
    say_ready(issuer)


def _settle_memory() -> None:
    """What is loaded by now stays: keep the collector from walking it again and again.

    With thousands of parked requests this is a third of the idle cost and of the worst wake-ups.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()
