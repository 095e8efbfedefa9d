"""Telling systemd how the service stands (``sd_notify(3)``): ready, reloading, stopping. Nothing where nobody asks."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


def say_ready(url: str) -> None:
    """The service takes requests."""
    _notify(f"READY=1\nSTATUS=Serving {url}")


def say_reloading() -> None:
    """Certificates are being read again; ``say_ready`` follows."""
    _notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def say_stopping() -> None:
    """The service was asked to stop, and answers who still waits."""
    _notify("STOPPING=1")


def _notify(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # An abstract socket's name begins with a zero byte, which is written @.
    place = "\0" + address[1:] if address.startswith("@") else address
    # A service manager that does not listen any more is no reason to stop serving.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.connect(place)
        line.send(message.encode())
