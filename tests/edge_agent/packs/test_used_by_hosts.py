"""A Python and a uv of packs in real hosts: environments are built with them, and they stay while a task has them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leasehold.runtime.rules.locks import WantedEnvironment
from leasehold_agent.commands.status import current
from leasehold_agent.config import load
from leasehold_agent.doctor.packages import check_packages
from leasehold_agent.environments import getting
from leasehold_agent.environments.rules import EnvironmentRules
from leasehold_agent.packs.found import offered_packs, offered_pythons
from leasehold_agent.packs.names import Pack
from leasehold_agent.packs.store import PackStore
from leasehold_protocol.v1.manifest import Isolation, PythonWork
from packing.python_tree import Made
from tests.edge_agent.host.harness import Attempt, read_line
from tests.edge_agent.host.test_environments import Site
from tests.support.packs import real_python, small_pack

OWN = sys.executable
NO_PYTHON = "/bin/true"
"""What the agent's setting ``python`` leads to in the binary: it runs tasks, and is nothing to install packages for."""
LOADED = """
    import sys

    def work():
        import colours, ssl, sqlite3
        with open("/proc/self/maps") as maps:
            files = sorted({line.split()[-1] for line in maps if ".so" in line})
        return [colours.VERSION, sys.base_prefix, files]
"""
WAITING = """
    import sys

    def work():
        with open("hello", "w") as hello:
            hello.write("here\\n")
        open("go").readline()
        import wave  # only now: the library of the pack has to be there still
        return [sys.base_prefix, wave.__file__]
"""


class SiteWithPacks(Site):
    """A site whose machine has no Python but those of packs."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.store = PackStore(home / "packs")
        self.python = NO_PYTHON

    def begin(
        self, bundle: Path, *, isolation: str = "fresh", attempt: Attempt | None = None, **fields: Any
    ) -> Attempt:
        rules = EnvironmentRules(
            cache_dir=str(self.cache.root), wheels_dir=str(self.wheels), packs_dir=str(self.store.root)
        )
        runtime: dict[str, Any] = {
            "python": self.python, "sdk_path": str(self.sdk), "environments": rules.as_fields()
        }  # fmt: skip
        work = PythonWork(module="flow", function="work", isolation=Isolation(isolation))
        return (attempt or self.attempt()).start(work, runtime=runtime, bundle_dir=bundle, **fields)

    def have(self, made: Made) -> None:
        """Have a copy of a pack: what is put in place is linked, and here several tests use it."""
        with self.store.changing():
            self.store.versions(made.pack.name).put_version(made.tree, made.pack.version)
            self.store.offer(made.pack)

    def remove(self, name: str) -> list[str]:
        """Remove a pack, as the command does; return which versions are left."""
        with self.store.changing():
            self.store.withdraw(name)
            self.store.clear()
        return [one.version for one in self.store]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return real_python(tmp_path_factory.mktemp("made"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SiteWithPacks]:
    monkeypatch.setenv("PATH", str(tmp_path))
    site = SiteWithPacks(tmp_path)
    yield site
    site.close()


def test_packages_are_installed_for_a_python_of_a_pack_and_nothing_of_the_machine_is_loaded(
    site: SiteWithPacks, made: Made
) -> None:
    site.have(made)

    version, prefix, files = site.run(site.bundle("old", site.wheel("1.0"), code=LOADED))

    assert (version, Path(prefix)) == ("1.0", site.store.versions(made.pack.name).tree(made.pack.version))
    assert [file for file in files if file.startswith((sys.base_prefix, sys.prefix))] == []
    assert [file for file in files if "libssl" in file or "libpython" in file] != []
    assert all(file.startswith((prefix, "/lib", "/usr/lib")) for file in files)


def test_a_pack_that_is_removed_stays_for_the_task_that_runs_and_nobody_else_gets_it(
    site: SiteWithPacks, made: Made
) -> None:
    site.have(made)
    bundle = site.bundle("waits", lock="", requires=">=3.11", code=WAITING)
    attempt = site.attempt()
    hello, go = attempt.fifo("hello"), attempt.fifo("go")
    site.begin(bundle, attempt=attempt)
    read_line(hello)

    left = site.remove(made.pack.name)
    kind, message = site.fails(site.bundle("later", lock="", requires=">=3.11,<3.12", code=WAITING))
    os.write(go, b"\n")
    ended = attempt.wait()
    attempt.wait_gone()

    assert (left, offered_packs(site.store.root)) == ([made.pack.version], [])
    assert kind == "could_not_start"
    assert "edge-agent packs add python3.11" in message
    assert ended["kind"] == "success", attempt.log
    assert attempt.xcom("return_value")[1].startswith(str(site.store.root))
    assert site.remove(made.pack.name) == []


def test_with_the_original_hidden_a_pack_still_runs(made: Made, tmp_path: Path) -> None:
    moved = made.tree.rename(tmp_path / "elsewhere")
    start = f"{moved}/{made.pack.starts} -I -S -c 'import ssl, sqlite3; print(1)'"
    hide = f"mount -t tmpfs none {sys.base_prefix} && exec {start}"

    done = subprocess.run(["unshare", "--mount", "sh", "-c", hide], capture_output=True, text=True, check=False)
    moved.rename(made.tree)

    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"nothing can be hidden here: {done.stderr.strip()}")
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.fixture
def store(tmp_path: Path) -> PackStore:
    store = PackStore(tmp_path / "packs")
    for version in ("3.12.4", "3.12.5"):
        with store.changing():
            pack = Pack("python3.12", version, "linux-x86_64")
            store.put(small_pack(tmp_path, version=version), pack)
            store.offer(pack)
    return store


def test_who_looks_for_users_keeps_nobody_out(store: PackStore) -> None:
    from leasehold_agent.packs.found import keep

    (python,) = offered_pythons(store.root)
    held = [keep(store.root, python) for _ in range(2)]

    used = [one.is_used for one in store]
    for fd in held:
        os.close(fd or 0)

    assert used == [False, True]
    assert [one.is_used for one in store] == [False, False]


def test_a_process_that_runs_from_a_pack_uses_it_too(store: PackStore, tmp_path: Path) -> None:
    tree = next(one.path for one in store if not one.is_offered)
    (tree / "sleeper").write_bytes(Path("/bin/sleep").read_bytes())
    (tree / "sleeper").chmod(0o755)
    process = subprocess.Popen([tree / "sleeper", "60"])
    with store.changing():
        store.clear()
    kept = [one.version for one in store]
    process.kill()
    process.wait()
    with store.changing():
        store.clear()

    assert kept == ["3.12.4", "3.12.5"]
    assert [one.version for one in store] == ["3.12.5"]


def test_a_pack_that_is_gone_is_not_kept(store: PackStore) -> None:
    from leasehold_agent.packs.found import PackGoneError, keep

    (python,) = offered_pythons(store.root)
    with store.changing():
        store.withdraw("python3.12")
        store.clear()

    with pytest.raises(PackGoneError):
        keep(store.root, python)
    assert keep(store.root, "/usr/bin/python3") is None


async def got(store: PackStore, requires: str | None) -> getting.Ready:
    """Get what a task without packages runs in, on a machine with the Python of the tests and a pack."""
    home = str(store.root.parent)
    site = getting.Site(
        rules=EnvironmentRules(cache_dir=home, wheels_dir="", pythons=(OWN,), packs_dir=str(store.root)),
        python=NO_PYTHON,
        allowed="index",
        surroundings={"PATH": home},
        variables={},
    )
    wanted = WantedEnvironment(lock="", requires_python=requires, wheels={})
    return await getting.get(wanted, site, print, asyncio.Event())


@pytest.mark.parametrize(("requires", "of_pack"), [(None, False), (">=3.11", False), (">=3.12", True)])
async def test_a_python_of_a_pack_is_taken_where_none_of_the_machine_is_allowed(
    store: PackStore, requires: str | None, of_pack: bool
) -> None:
    ready = await got(store, requires)

    assert ready.python == (offered_pythons(store.root)[0] if of_pack else OWN)
    assert (ready.pack is not None) is of_pack
    if ready.pack is not None:
        assert [one.is_used for one in store if one.is_offered] == [True]
        os.close(ready.pack)


async def test_where_no_python_is_allowed_the_cure_is_said(store: PackStore) -> None:
    with pytest.raises(
        getting.NoEnvironmentError, match=r"edge-agent packs add python3\.12, if its repository has that"
    ):
        await got(store, ">=3.12.6")


def test_what_there_is_is_told_by_the_doctor_and_by_the_status(store: PackStore) -> None:
    settings = load({"state_dir": str(store.root.parent)}, {"LEASEHOLD_AGENT_CONFIG": os.devnull}).settings

    findings = {one.check: one.text for one in check_packages(settings)}

    assert findings["packs"] == "python3.12 3.12.5"
    assert "3.12.5" in findings["pythons"]
    assert current(settings).packs == ["python3.12 3.12.5"]
