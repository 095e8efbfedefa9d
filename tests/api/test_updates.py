"""The repository of agent versions, served by the API: everybody may read it, and nothing beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from leasehold_api.http.updates import find
from tests.api.conftest import Opener
from tests.support.api_server import Api


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    for name in ("metadata/timestamp.json", "metadata/1.root.json", "targets/edge-agent/1.1.0/abc.archive.tar.gz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "secret").write_text("secret")
    (tmp_path / "outside").write_text("secret")
    (folder / "targets/link").symlink_to(tmp_path / "outside")
    (folder / "metadata/.hidden.json").write_text("secret")
    return folder


async def test_anybody_gets_its_files_and_the_newest_is_asked_for_each_time(opened: Opener, folder: Path) -> None:
    async with opened(updates_dir=folder) as api:
        timestamp = await api.client.get("/updates/metadata/timestamp.json")
        archive = await api.client.get("/updates/targets/edge-agent/1.1.0/abc.archive.tar.gz")
        locked_out = await api.client.get("/updates/metadata/1.root.json", headers={"Authorization": "DPoP none"})

    assert (timestamp.status_code, timestamp.text) == (200, "metadata/timestamp.json")
    assert timestamp.headers["cache-control"] == "no-cache"
    assert archive.text == "targets/edge-agent/1.1.0/abc.archive.tar.gz"
    assert "max-age" in archive.headers["cache-control"]
    assert locked_out.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "secret",
        "metadata",
        "metadata/",
        "targets/edge-agent",
        "metadata/2.root.json",
        "metadata/.hidden.json",
        "targets/link",
        "metadata/../secret",
        "metadata/%2e%2e/secret",
        "metadata/%2e%2e/%2e%2e/outside",
        "metadata//1.root.json",
        "%2fetc/passwd",
        "metadata/1.root.json%00",
        "metadata/" + "x" * 300,
    ],
)
async def test_nothing_else_is_served(opened: Opener, folder: Path, path: str) -> None:
    async with opened(updates_dir=folder) as api:
        answer = await api.client.get(f"/updates/{path}")

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert "secret" not in answer.text.replace("/secret", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_it_is_only_read(opened: Opener, folder: Path, method: str) -> None:
    async with opened(updates_dir=folder) as api:
        answer = await api.client.request(method, "/updates/metadata/timestamp.json", content=b"mine")

    assert answer.status_code == 405
    assert (folder / "metadata/timestamp.json").read_text() == "metadata/timestamp.json"


async def test_without_a_folder_there_is_no_repository(api: Api) -> None:
    answer = await api.client.get("/updates/metadata/timestamp.json")

    assert answer.status_code == 404
    assert "--updates" in answer.json()["detail"]


def test_a_pipe_is_not_read(folder: Path) -> None:
    os.mkfifo(folder / "metadata/pipe.json")

    assert find(folder, "metadata/pipe.json") is None
