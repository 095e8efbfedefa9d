"""``edge-agent environments`` and what the doctor says of packages."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from leasehold_agent.environments.cache import FACTS, EnvironmentCache
from leasehold_agent.exits import Exit
from tests.edge_agent.test_commands import edge_agent
from tests.edge_agent.test_doctor import doctor

OLD, NEW = "a" * 64, "ab" + "c" * 62


def fill(state: Path) -> EnvironmentCache:
    """Put two environments there, one used earlier than the other."""
    cache = EnvironmentCache(state / "environments")
    for used_at, key in ((1, OLD), (2, NEW)):
        cache.path(key).mkdir(parents=True)
        facts = {"python": "3.11.7", "packages": ["colours 1.0"], "size": 3 * 1024 * 1024}
        (cache.path(key) / FACTS).write_text(json.dumps(facts))
        os.utime(cache.path(key) / FACTS, (used_at, used_at))
    return cache


async def test_environments_are_listed_with_what_is_in_them(tmp_path: Path) -> None:
    hold = fill(tmp_path).share(NEW)

    listed = await edge_agent("environments", "list", "--state-dir", str(tmp_path))
    known = json.loads((await edge_agent("environments", "list", "--json", "--state-dir", str(tmp_path))).out)

    first, second = listed.out.splitlines()
    assert first.startswith(f"{OLD[:12]}  Python 3.11.7     3.0 MiB  used 1970-01-01T00:00:01+00:00  colours 1.0")
    assert "in use" in second
    assert [(one["environment"], one["is_used"]) for one in known] == [(OLD, False), (NEW, True)]
    assert hold is not None


async def test_an_environment_is_removed_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    cache = fill(tmp_path)

    several = await edge_agent("environments", "remove", "a", "--state-dir", str(tmp_path))
    unknown = await edge_agent("environments", "remove", "b", "--state-dir", str(tmp_path))
    unnamed = await edge_agent("environments", "remove", "--state-dir", str(tmp_path))
    removed = await edge_agent("environments", "remove", "aa", "--state-dir", str(tmp_path))

    codes = [several.code, unknown.code, unnamed.code, removed.code]
    assert codes == [Exit.NOT_FOUND, Exit.NOT_FOUND, Exit.USAGE, Exit.OK]
    assert "more than one" in several.err
    assert [one.key for one in cache] == [NEW]


async def test_what_is_in_use_is_kept(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    hold = cache.share(NEW)

    every = await edge_agent("environments", "remove", "--all", "--state-dir", str(tmp_path))
    one = await edge_agent("environments", "remove", NEW, "--state-dir", str(tmp_path))

    assert (every.code, one.code) == (Exit.OK, Exit.NOT_FOUND)
    assert "in use" in one.err
    assert [each.key for each in cache] == [NEW]
    assert hold is not None


async def test_the_doctor_says_who_installs_and_whether_the_index_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as index:
        address = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
        _, found = await doctor(tmp_path, LEASEHOLD_AGENT_INDEX_URL=address)
    _, gone = await doctor(tmp_path, LEASEHOLD_AGENT_INDEX_URL=address)

    assert found["index"]["verdict"] == found["packages"]["verdict"] == found["pythons"]["verdict"] == "ok"
    assert gone["index"]["verdict"] == "warning"
    assert "--wheels" in gone["index"]["cure"]
