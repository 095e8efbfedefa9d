"""Local sockets are this user's alone, and making several at once leaves the process as it was."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from leasehold_agent.local_socket import serve_privately


async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"here")
    writer.close()


async def test_several_made_at_once_leave_the_umask_alone(tmp_path: Path) -> None:
    """With another umask, whatever an agent that is not root makes afterwards is closed to itself."""
    umask = os.umask(0o022)
    try:
        paths = [tmp_path / name for name in ("status.sock", "control.sock", "metrics.sock")]
        serving = [asyncio.create_task(serve_privately(path, answer)) for path in paths]
        for path in paths:
            while not path.exists():  # noqa: ASYNC110 - bounded by the test's time-out
                await asyncio.sleep(0)
        (tmp_path / "made").mkdir()
        said = []
        for path in paths:
            reader, writer = await asyncio.open_unix_connection(str(path))
            said.append(await asyncio.wait_for(reader.read(), 10))
            writer.close()
        modes = {path.stat().st_mode & 0o777 for path in paths}
        for one in serving:
            one.cancel()
    finally:
        after = os.umask(umask)

    assert said == [b"here"] * 3
    assert modes == {0o600}
    assert after == 0o022
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o755
