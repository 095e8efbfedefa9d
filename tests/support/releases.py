"""Publishers of agent versions, their repositories, and web servers for these: honest ones and others."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from leasehold_agent.packs.machine import platform_name
from leasehold_agent.packs.names import Pack
from release import changes, packs, publishing
from release.changes import Holders
from release.workspace import Workspace

NOW = datetime.now(UTC)
PROGRAM = """\
#!{python}
import sys
import leasehold_agent.version

leasehold_agent.version._VERSION = "{version}"
{body}
from leasehold_agent.cli import main

sys.exit(main())
"""


def new_signer() -> CryptoSigner:
    return CryptoSigner(Ed25519PrivateKey.generate())


def make_tree(folder: Path, version: str, *, body: str = "") -> Path:
    """Make the tree of a version: this repository's agent, that says it is ``version``; ``body`` runs before it."""
    (folder / "_internal").mkdir(parents=True)
    (folder / "_internal/some.library").write_text(version * 1000)
    program = folder / "edge-agent"
    program.write_text(PROGRAM.format(python=sys.executable, version=version, body=body))
    program.chmod(0o755)
    return folder


class Publisher:
    """Holds all keys: three of root, two of which have to sign, one of targets, one that is online."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = Workspace(folder / "repository")
        self.roots = [new_signer() for _ in range(3)]
        self.targets = [new_signer()]
        self.online = new_signer()
        changes.init(self.workspace, self.holders(), now=NOW)
        self.publish()

    def holders(self) -> Mapping[str, Holders]:
        return {
            "root": Holders([signer.public_key for signer in self.roots], 2),
            "targets": Holders([signer.public_key for signer in self.targets], 1),
            "snapshot": Holders([self.online.public_key], 1),
            "timestamp": Holders([self.online.public_key], 1),
        }

    @property
    def public(self) -> Path:
        return self.workspace.folder / "public"

    @property
    def first_root(self) -> bytes:
        return (self.public / "metadata/1.root.json").read_bytes()

    def release(self, version: str, *, channel: str | None = "stable", body: str = "") -> None:
        """Publish a version, and let a channel have it."""
        self.release_tree(version, make_tree(self.folder / f"tree-{version}", version, body=body), channel=channel)

    def release_tree(self, version: str, tree: Path, *, channel: str | None = "stable") -> None:
        changes.add_version(self.workspace, tree, version, platform_name(), now=NOW, level=1)
        if channel is not None:
            changes.promote(self.workspace, version, channel, now=NOW)
        self.publish()

    def add_pack(self, tree: Path) -> Pack:
        """Publish a pack."""
        pack = packs.add_pack(self.workspace, tree, now=NOW)
        self.publish()
        return pack

    def publish(self, *, now: datetime = NOW) -> None:
        """Sign what is staged, by enough, and publish it."""
        if (self.workspace.staged / "root.json").exists():
            for signer in self.roots[:2]:
                changes.sign(self.workspace, "root", signer)
        if (self.workspace.staged / "targets.json").exists():
            changes.sign(self.workspace, "targets", self.targets[0])
        publishing.publish(self.workspace, snapshot=self.online, timestamp=self.online, now=now)


class Web:
    """A web server over a folder, that lies where ``lies`` says so: by the end of the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lies: dict[str, bytes | Iterator[bytes]] = {}
        self.asked: list[str] = []
        self.url = ""


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *given: Any, web: Web, **more: Any) -> None:
        self._web = web
        super().__init__(*given, directory=str(web.folder), **more)

    def do_GET(self) -> None:
        self._web.asked.append(self.path)
        lie = next((lie for end, lie in self._web.lies.items() if self.path.endswith(end)), None)
        if lie is None:
            return super().do_GET()
        self.send_response(200)
        self.end_headers()
        try:
            for piece in [lie] if isinstance(lie, bytes) else lie:
                self.wfile.write(piece)
        except OSError:
            pass  # whoever asked had enough of it
        return None

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Web]:
    """Serve a folder on a loopback port while the block lasts."""
    web = Web(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, web=web)) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        web.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
