"""The repository with new versions, as TUF describes it: nothing counts that the root of trust does not lead to.

Import this late: python-tuf takes 4 MiB of memory and a tenth of a second, which a running agent need not pay.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from tuf.api import exceptions
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from leasehold_agent.errors import LinkError, RefusedError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.updating.choosing import archive_target, channel_target, version_in

_NOT_THERE = 404
_MOST_CHANNEL_BYTES = 64 * 1024
_OTHERS_AT_FAULT = "Nothing was changed. Tell whoever publishes the repository; do not go round this."


class Source(Protocol):
    """What is needed of ``link.downloads.Downloads``."""

    def pieces(self, url: str) -> Iterator[bytes]: ...


class _Fetcher(FetcherInterface):
    """Lets python-tuf download by our own HTTP client, with temporary files on a disk of ours."""

    def __init__(self, source: Source, folder: Path) -> None:
        self._source = source
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield from self._source.pieces(url)
        except RefusedError as error:
            raise exceptions.DownloadHTTPError(str(error), error.status) from error
        except LinkError as error:
            raise exceptions.DownloadError(str(error)) from error

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Generator[IO[bytes], None, None]:
        """Give a file with what is at ``url``; /tmp may be too small for it, or not there."""
        received = 0
        with tempfile.TemporaryFile(dir=self._folder) as file:
            for piece in self.fetch(url):
                received += len(piece)
                if received > max_length:
                    raise exceptions.DownloadLengthMismatchError(f"more than {max_length} bytes came from {url}")
                file.write(piece)
            file.seek(0)
            yield file


class Repository:
    """One repository. Every method asks it at most once per file, and blocks meanwhile.

    Args:
        url: where ``metadata/`` and ``targets/`` are.
        root: the content of the first ``root.json``, which came with the installation.
        kept: the folder that remembers the newest metadata seen: what is older is refused from then on.
    """

    def __init__(self, url: str, *, root: bytes, kept: Path, source: Source) -> None:
        self._url = url
        self._kept = kept
        self._channels = kept / "channels"
        with _told(url):
            self._channels.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._updater = Updater(
                metadata_dir=str(kept),
                metadata_base_url=f"{url}/metadata/",
                target_base_url=f"{url}/targets/",
                fetcher=_Fetcher(source, kept),
                config=UpdaterConfig(),
                bootstrap=root,
            )

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    def refresh(self) -> None:
        """Get the newest metadata, and check all of it.

        Raises:
            OperatorError: it can't be had, or is not to be trusted.
        """
        with _told(self._url):
            self._updater.refresh()

    def newest(self, channel: str) -> str:
        """Return the version that a channel has.

        Raises:
            OperatorError: as ``refresh``, or there is no such channel.
        """
        content = self.content(channel_target(channel))
        if content is None:
            raise OperatorError(
                Exit.NOT_FOUND,
                f"The repository {self._url} has no channel {channel}.",
                "Ask whoever publishes it which there are, and set update_channel or --channel.",
            )
        return version_in(channel, content)

    def content(self, target_path: str) -> bytes | None:
        """Return what is in a small target; none when there is no such target.

        Raises:
            OperatorError: as ``refresh``.
        """
        with _told(self._url):
            target = self._updater.get_targetinfo(target_path)
            if target is None or target.length > _MOST_CHANNEL_BYTES:
                return None
            file = self._channels / target_path.rpartition("/")[2]
            self._updater.download_target(target, str(file))
            return file.read_bytes()

    def download(self, version: str, platform: str, file: Path | None) -> None:
        """Download the archive of a version, and check length and hashes before it gets its name.

        Args:
            file: where to; none: only see that there is one.

        Raises:
            OperatorError: as ``refresh``, or there is no such version for this platform.
            OSError: the disk does not take it.
        """
        if not self.fetch(archive_target(version, platform), file):
            raise OperatorError(
                Exit.NOT_FOUND,
                f"The repository {self._url} has no version {version} for {platform}.",
                "Ask whoever publishes it which there are; edge-agent update --check shows what the channel has.",
            )

    def fetch(self, target_path: str, file: Path | None) -> bool:
        """Download a target, and check length and hashes before it gets its name; tell whether there is one.

        Args:
            target_path: its path in the repository.
            file: where to; none: only see that there is one.

        Raises:
            OperatorError: as ``refresh``.
            OSError: the disk does not take it.
        """
        with _told(self._url):
            target = self._updater.get_targetinfo(target_path)
            if target is not None and file is not None:
                try:
                    self._updater.download_target(target, str(file))
                except exceptions.DownloadHTTPError as error:
                    if error.status_code != _NOT_THERE:
                        raise
                    raise OperatorError(
                        Exit.NOT_FOUND,
                        f"The repository {self._url} lists {target_path}, and does not have it.",
                        "Copy it whole, if it is a copy; else tell whoever publishes it.",
                    ) from error
        return target is not None

    def vouches_for(self, target_path: str, file: Path) -> bool:
        """Tell whether a file of this disk is what is signed as a target, byte for byte.

        Raises:
            OperatorError: as ``refresh``.
            OSError: the file can't be read.
        """
        with _told(self._url):
            target = self._updater.get_targetinfo(target_path)
        if target is None:
            return False
        with file.open("rb") as opened:
            try:
                target.verify_length_and_hashes(opened)
            except exceptions.LengthOrHashMismatchError:
                return False
        return True


@contextmanager
def _told(url: str) -> Generator[None, None, None]:
    """Turn what python-tuf finds into cause and cure."""
    try:
        yield
    except exceptions.ExpiredMetadataError as error:
        raise OperatorError(
            Exit.UNTRUSTED,
            f"The repository {url} is out of date ({error}): nobody renewed it, or somebody holds back what is newer.",
            "Look whether this machine's clock is right; else ask whoever publishes it to publish again.",
        ) from error
    except exceptions.BadVersionNumberError as error:
        raise OperatorError(
            Exit.UNTRUSTED,
            f"The repository {url} shows something older than this installation has seen already ({error}).",
            _OTHERS_AT_FAULT,
        ) from error
    except exceptions.UnsignedMetadataError as error:
        raise OperatorError(
            Exit.UNTRUSTED,
            f"The repository {url} is not signed by enough of the keys that this installation trusts ({error}).",
            "Nothing was changed. Is update_root the root of this repository? Then tell whoever publishes it.",
        ) from error
    except (exceptions.LengthOrHashMismatchError, exceptions.DownloadLengthMismatchError) as error:
        raise OperatorError(
            Exit.UNTRUSTED, f"The repository {url} sent something else than what is signed ({error}).", _OTHERS_AT_FAULT
        ) from error
    except exceptions.RepositoryError as error:
        raise OperatorError(
            Exit.UNTRUSTED, f"What the repository {url} says can't be trusted: {error}.", _OTHERS_AT_FAULT
        ) from error
    except exceptions.DownloadHTTPError as error:
        if error.status_code == _NOT_THERE:
            raise OperatorError(
                Exit.NOT_FOUND,
                f"There is no update repository at {url}.",
                "Set update_repository, or have the API serve one (leasehold-api serve --updates DIR).",
            ) from error
        raise _unreachable(url, error) from error
    except exceptions.DownloadError as error:
        raise _unreachable(url, error) from error


def _unreachable(url: str, error: Exception) -> OperatorError:
    return OperatorError(
        Exit.UNREACHABLE,
        f"The update repository {url} can't be used: {error}.",
        "Look at the address and at the line (edge-agent doctor), and try again.",
    )
