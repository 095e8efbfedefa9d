"""Tasks with dependencies: real hosts build real environments from tiny wheels, without any index."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from leasehold.runtime.rules.locks import ENVIRONMENT_FILE, WantedEnvironment
from leasehold_agent.environments.cache import EnvironmentCache
from leasehold_agent.environments.rules import EnvironmentRules
from leasehold_protocol.v1.manifest import Isolation, PythonWork
from tests.edge_agent.host.harness import Attempt, read_line, wait_dead
from tests.edge_agent.host.warm_bundle import Bundles, name_of
from tests.support.wheels import make_wheel, pinned
from tests.system.programs import until

VERSION = """
    import os, sys
    from leasehold import task

    def above(pid):
        return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])

    @task
    def work():
        import colours
        return [colours.VERSION, sys.executable, above(above(os.getpid()))]
"""


class Site(Bundles):
    """A site with a cache of environments."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.wheels = home / "wheels"
        self.wheels.mkdir()
        self.cache = EnvironmentCache(home / "environments")
        self.uv: str | None = None
        self.timeout_s = 60.0

    def wheel(self, version: str, *, name: str = "colours", **more: Any) -> Path:
        """Make a wheel, and put it where the agent keeps what it was sent."""
        made = make_wheel(self.home / "made", name, version, **more)
        shutil.copy(made, self.wheels / hashlib.sha256(made.read_bytes()).hexdigest())
        return made

    def bundle(
        self, name: str, *wheels: Path, lock: str | None = None, requires: str | None = None, code: str = VERSION
    ) -> Path:
        """Write a bundle that wants these wheels."""
        folder = self.write(code, name)
        carried = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in wheels}
        wanted = WantedEnvironment(
            lock=pinned(*wheels) if lock is None else lock, requires_python=requires, wheels=carried
        )
        (folder / ENVIRONMENT_FILE).parent.mkdir(exist_ok=True)
        (folder / ENVIRONMENT_FILE).write_bytes(wanted.as_bytes())
        return folder

    def attempt(self) -> Attempt:
        """Return an attempt that is not begun."""
        self.attempts.append(Attempt(self.home / f"ti-{len(self.attempts)}.1", self.zygote))
        return self.attempts[-1]

    def begin(self, bundle: Path, *, isolation: str = "warm", attempt: Attempt | None = None, **fields: Any) -> Attempt:
        """Start an attempt of a bundle's task."""
        attempt = attempt or self.attempt()
        rules = EnvironmentRules(
            cache_dir=str(self.cache.root), wheels_dir=str(self.wheels), uv=self.uv, timeout_s=self.timeout_s
        )
        runtime: Mapping[str, Any] = {
            "python": self.python, "sdk_path": str(self.sdk), "environments": rules.as_fields()
        }  # fmt: skip
        work = PythonWork(module="flow", function="work", isolation=Isolation(isolation))
        return attempt.start(work, runtime=runtime, bundle_dir=bundle, **fields)

    def fails(self, bundle: Path, **fields: Any) -> tuple[str, str]:
        """Run a task that can't begin; return its ending's kind and message."""
        ending = self.begin(bundle, **fields).wait()
        return ending["kind"], ending["message"]

    def hang(self) -> int:
        """Have a program in uv's place that says its pid and does nothing; return where it says so."""
        os.mkfifo(self.home / "pid")
        fd = os.open(self.home / "pid", os.O_RDWR)
        script = self.home / "uv"
        script.write_text(f"#!/bin/sh\necho $$ > {self.home}/pid\nexec sleep 3600\n")
        script.chmod(0o755)
        self.uv = str(script)
        return fd


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def test_conflicting_versions_run_side_by_side_and_are_built_once(site: Site) -> None:
    old, new = site.bundle("old", site.wheel("1.0")), site.bundle("new", site.wheel("2.0"))

    results = [site.run(each) for each in (old, new, old, new)]

    assert [result[0] for result in results] == ["1.0", "2.0", "1.0", "2.0"]
    assert len({result[1] for result in results}) == 2
    assert [name_of(result[2]) for result in results] == ["task-zygote"] * 4
    said = [line for attempt in site.attempts for line in attempt.texts("agent")]
    assert len([line for line in said if line.startswith("installing 1 package with uv")]) == 2
    assert any(line.startswith("the environment is ready after") for line in said)


def test_a_fresh_interpreter_has_the_packages_too_and_their_commands(site: Site) -> None:
    code = VERSION.replace("[colours.VERSION,", "[colours.VERSION, os.environ['PATH'].split(':')[0],")

    version, first_on_path, python, _ = site.run(site.bundle("old", site.wheel("1.0"), code=code), isolation="fresh")

    assert (version, Path(python).parent) == ("1.0", Path(first_on_path))


def test_two_attempts_at_once_build_once(site: Site) -> None:
    bundle = site.bundle("old", site.wheel("1.0"))

    both = [site.begin(bundle), site.begin(bundle)]

    assert [attempt.wait()["kind"] for attempt in both] == ["success", "success"]
    assert sum(attempt.log.count("installing 1 package") for attempt in both) == 1


def test_a_wheel_that_was_tampered_with_is_not_installed(site: Site) -> None:
    wheel = site.wheel("1.0")
    bundle = site.bundle("old", wheel)
    other = make_wheel(site.home / "other", "colours", "1.0", code="EVIL = True")
    shutil.copy(other, site.wheels / hashlib.sha256(wheel.read_bytes()).hexdigest())

    kind, message = site.fails(bundle, limits={"environments": "wheels-only"})

    assert kind == "could_not_start"
    assert "hash" in message.lower()
    assert list(site.cache) == []


def test_what_a_wheel_needs_has_to_be_in_the_lock(site: Site) -> None:
    bundle = site.bundle("paint", site.wheel("1.0", name="paint", requires=["colours"]))

    kind, message = site.fails(bundle, limits={"environments": "wheels-only"})

    assert (kind, "colours" in message) == ("could_not_start", True)
    assert "lock and deploy again" in message


@pytest.mark.parametrize("lock", ["colours\n", "colours==1.0\n", "-r other.txt\n", "colours==1.0 --hash=md5:00\n"])
def test_a_lock_that_pins_nothing_is_refused(site: Site, lock: str) -> None:
    kind, message = site.fails(site.bundle("old", lock=lock))

    assert kind == "could_not_start"
    assert "deploy the DAG again" in message


def test_a_policy_may_allow_only_what_travels_with_the_dag(site: Site) -> None:
    wheel = site.wheel("1.0")
    limits = {"environments": "wheels-only", "policy": "p1"}

    refused = site.begin(site.bundle("bare", lock=pinned(wheel)), limits=limits).wait()

    assert (refused["kind"], refused["refusal"]["policy"], refused["refusal"]["concerns"]) == ("refused", "p1", "task")
    assert "colours would come from an index: deploy with --wheels" in refused["message"]
    site.begin(site.bundle("carried", wheel), limits=limits).wait()
    assert site.attempts[-1].xcom("return_value")[0] == "1.0"
    never = site.begin(site.bundle("carried", wheel), limits={"environments": "never"}).wait()
    assert never["kind"] == "refused"


def test_a_python_that_the_site_has_not_is_named_with_those_that_it_has(site: Site) -> None:
    kind, message = site.fails(site.bundle("late", site.wheel("1.0"), requires=">=3.99"))

    assert kind == "could_not_start"
    assert "'>=3.99'" in message
    assert ".".join(map(str, sys.version_info[:3])) in message


def test_without_dependencies_only_the_python_is_chosen(site: Site) -> None:
    bundle = site.bundle("plain", lock="", requires=">=3.11", code="def work():\n    return 1\n")

    assert site.run(bundle) == 1
    assert list(site.cache) == []


def test_a_build_whose_host_is_killed_is_made_by_the_next_attempt(site: Site) -> None:
    bundle, pids = site.bundle("old", site.wheel("1.0")), site.hang()
    killed = site.begin(bundle)
    builder = int(read_line(pids))
    os.close(pids)

    os.kill(killed.pid, signal.SIGKILL)

    killed.wait_gone()
    wait_dead(builder)
    site.uv = None
    assert site.run(bundle)[0] == "1.0"
    assert [path.name for path in site.cache.root.glob(".new-*")] == []


def test_a_cancelled_attempt_stops_its_build_at_once(site: Site) -> None:
    bundle, pids = site.bundle("old", site.wheel("1.0")), site.hang()
    attempt = site.begin(bundle)
    builder = int(read_line(pids))
    os.close(pids)

    with attempt.control() as agent:
        agent.say(do="cancel", reason="not wanted")
        ending = attempt.wait()

    assert (ending["kind"], ending["message"]) == ("cancelled", "not wanted")
    wait_dead(builder)


def test_a_build_that_takes_too_long_is_given_up(site: Site) -> None:
    bundle, pids = site.bundle("old", site.wheel("1.0")), site.hang()
    site.timeout_s = 0.2

    kind, message = site.fails(bundle)

    os.close(pids)
    assert kind == "could_not_start"
    assert "not ready after 0.2 s" in message


def test_an_environment_in_use_stays_and_goes_when_its_attempt_has_ended(site: Site) -> None:
    code = """
        def work():
            open("hello", "w").write("here\\n")
            open("go").readline()
    """
    attempt = site.attempt()
    hello, go = attempt.fifo("hello"), attempt.fifo("go")
    site.begin(site.bundle("held", site.wheel("1.0"), code=code), attempt=attempt)
    read_line(hello)
    (found,) = site.cache

    was_removed = site.cache.remove(found.key)
    os.write(go, b"0\n")
    attempt.wait()

    assert not was_removed
    until(lambda: site.cache.remove(found.key), "its host has let go of it")
    assert list(site.cache) == []
