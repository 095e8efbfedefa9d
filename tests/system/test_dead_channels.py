"""A connection that vanishes without a packet, as behind a firewall that drops, is noticed by both ends.

Needs a network namespace; where none can be made, these tests are skipped.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from leasehold_agent.calls import Call
from leasehold_agent.clock import ServerClock
from leasehold_agent.errors import UnavailableError
from leasehold_agent.link.http import Http
from leasehold_api.config import Settings
from leasehold_api.serving import listen

NEAR, FAR = "10.213.77.1", "10.213.77.2"
NAMESPACE = f"lh-dead-{os.getpid()}"
NEAR_LINK, FAR_LINK = f"lhn{os.getpid()}", f"lhf{os.getpid()}"
PATIENCE_S = 60.0
"""Far longer than two keep-alives of a second; the kernel's own idea is two hours."""
SILENT_SERVER = f"""
import socket
listener = socket.create_server(("{FAR}", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
while connection.recv(65536):
    print("heard", flush=True)
"""
SILENT_CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
connection.sendall(b"hello")
connection.recv(1)
"""


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class Network:
    """Two ends, one of them in a namespace of its own."""

    def far(self, code: str, *argv: str) -> subprocess.Popen[str]:
        """Run Python at the far end."""
        command = ["ip", "netns", "exec", NAMESPACE, sys.executable, "-I", "-S", "-c", code, *argv]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def drop_everything(self) -> None:
        """From now on no packet comes through, and nobody is told."""
        # Its packets are nobody's at the far end, which does not forward either: they are dropped in silence.
        run("ip", "-n", NAMESPACE, "addr", "del", f"{FAR}/30", "dev", FAR_LINK)


@pytest.fixture
def network() -> Iterator[Network]:
    if not shutil.which("ip"):
        pytest.skip("ip (iproute2) is not installed")
    try:
        run("ip", "netns", "add", NAMESPACE)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr.decode().strip()}")
    try:
        run("ip", "link", "add", NEAR_LINK, "type", "veth", "peer", "name", FAR_LINK, "netns", NAMESPACE)
        run("ip", "addr", "add", f"{NEAR}/30", "dev", NEAR_LINK)
        run("ip", "link", "set", NEAR_LINK, "up")
        for command in (("addr", "add", f"{FAR}/30", "dev", FAR_LINK), ("link", "set", FAR_LINK, "up")):
            run("ip", "-n", NAMESPACE, *command)
        yield Network()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network can be made here: {error.stderr.decode().strip()}")
    finally:
        # The namespace alone would take its end of the link with it, but only some time later.
        subprocess.run(["ip", "link", "del", NEAR_LINK], check=False, capture_output=True)
        run("ip", "netns", "del", NAMESPACE)


async def test_the_agent_gives_up_a_request_whose_connection_vanished(network: Network) -> None:
    server = network.far(SILENT_SERVER)
    assert server.stdout is not None
    port = await asyncio.to_thread(server.stdout.readline)
    http = Http(f"http://{FAR}:{port.strip()}", clock=ServerClock(), version="test", keepalive_s=1)
    poll = asyncio.ensure_future(http.send(Call(method="POST", url="/v1/agent/leases", timeout_s=3600)))
    assert await asyncio.to_thread(server.stdout.readline) == "heard\n"

    network.drop_everything()

    with pytest.raises(UnavailableError):
        async with asyncio.timeout(PATIENCE_S):
            await poll
    await http.close()
    server.kill()
    server.communicate()


def test_the_api_gives_up_a_connection_that_vanished(network: Network) -> None:
    listener = listen(Settings(host=NEAR, port=0, public_url="https://api.example", keepalive_s=1))
    listener.listen()
    client = network.far(SILENT_CLIENT, NEAR, str(listener.getsockname()[1]))
    connection, _ = listener.accept()
    connection.settimeout(PATIENCE_S)
    assert connection.recv(5) == b"hello"

    network.drop_everything()

    with pytest.raises(TimeoutError) as noticed:
        connection.recv(1)
    assert noticed.value.errno is not None, "the kernel noticed, not this test's own patience"
    for end in (connection, listener):
        end.close()
    client.kill()
    client.communicate()
