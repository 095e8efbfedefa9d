"""Key-encryption keys (KEKs) in files: the newest seals, every one opens.

The first key is in a file of its own, and has the id 1. A rotation puts the next one beside it: ``<file>.2`` …
A running service notices new files by itself: whenever it seals, and whenever it meets an id that it does not know.
"""

from __future__ import annotations

import binascii
import logging
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from leasehold_api.config import Settings, SettingsError
from leasehold_api.context.sealing import KEK_BYTES, Sealer, kek_id_of
from leasehold_api.errors import UnavailableError

log = logging.getLogger(__name__)

FIRST = "1"


class KeyFiles:
    """The key files of one server."""

    def __init__(self, first: Path) -> None:
        """Take the file of the first key; the others are beside it."""
        self._first = first

    @classmethod
    def of(cls, settings: Settings) -> KeyFiles:
        """Return the key files that the settings name; without any, the first one is made in the state directory.

        Raises:
            SettingsError: if it can't be made.
        """
        files = cls.named(settings)
        if settings.key_encryption_key_file is not None:
            return files
        try:
            files._first.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not files.ids():
                files._write(FIRST)
        except FileExistsError:
            pass  # another process was first
        except OSError as error:
            raise SettingsError(f"no key-encryption key can be made at {files._first}: {error}") from None
        return files

    @classmethod
    def named(cls, settings: Settings) -> KeyFiles:
        """Return the key files that the settings name, whether they are there or not."""
        return cls(settings.key_encryption_key_file or settings.state_dir / "keys" / "key-encryption-key")

    def ids(self) -> list[str]:
        """Return the ids of the keys, oldest first: the last one is active.

        Raises:
            SettingsError: if the directory can't be read.
        """
        try:
            names = {entry.name for entry in os.scandir(self._first.parent)}
        except OSError as error:
            raise SettingsError(f"the key files in {self._first.parent} can't be read: {error}") from None
        begin = self._first.name + "."
        numbers = [name.removeprefix(begin) for name in names if name.startswith(begin)]
        later = sorted(
            int(number) for number in numbers if number.isdecimal() and number.isascii() and number[0] != "0"
        )
        return [FIRST] * (self._first.name in names) + [str(number) for number in later if number > 1]

    def path(self, kek_id: str) -> Path:
        """Return the file of a key."""
        return self._first if kek_id == FIRST else self._first.with_name(f"{self._first.name}.{kek_id}")

    def sealer(self) -> tuple[list[str], Sealer]:
        """Return the ids of the keys and a sealer that has them.

        Raises:
            SettingsError: if a file is missing, can't be read, or is not such a key.
        """
        ids = self.ids()
        # A missing first file is reported as one that can't be read, by its name.
        keys = {kek_id: self._read(kek_id) for kek_id in ids or [FIRST]}
        return ids, Sealer(keys, active=ids[-1])

    def add(self) -> str:
        """Make a new key, which is the active one from now on; return its id.

        Raises:
            SettingsError: if the file can't be written.
        """
        kek_id = str(int((self.ids() or ["0"])[-1]) + 1)
        try:
            self._write(kek_id)
        except FileExistsError:
            raise SettingsError(
                f"{self.path(kek_id)} was made by somebody else just now: look at it, then try again"
            ) from None
        except OSError as error:
            raise SettingsError(
                f"the new key can't be written to {self.path(kek_id)}: {error}. Let this user write there, or put 32 "
                "random bytes in base64url into that file by other means, on every server: it is active from then on"
            ) from None
        return kek_id

    def remove(self, kek_id: str) -> None:
        """Delete a key. What it wrapped can't be opened any more, so nothing may need it.

        Raises:
            SettingsError: if the file can't be deleted.
        """
        try:
            self.path(kek_id).unlink()
        except OSError as error:
            raise SettingsError(f"{self.path(kek_id)} can't be deleted: {error}") from None

    def made_at(self, kek_id: str) -> float:
        """Return when a key's file was written."""
        return self.path(kek_id).stat().st_mtime

    def variety(self, kek_id: str) -> int:
        """Return how many different bytes a key has: few, and nobody drew it at random.

        Raises:
            SettingsError: as ``sealer`` does.
        """
        return len(set(self._read(kek_id)))

    def _read(self, kek_id: str) -> bytes:
        path = self.path(kek_id)
        try:
            key = urlsafe_b64decode(path.read_bytes().strip())
        except (OSError, ValueError, binascii.Error) as error:
            raise SettingsError(f"the key-encryption key in {path} can't be read: {error}") from None
        if len(key) != KEK_BYTES:
            raise SettingsError(
                f"the key-encryption key in {path} has {len(key)} bytes; {KEK_BYTES} are needed, in base64url"
            )
        return key

    def _write(self, kek_id: str) -> None:
        path = self.path(kek_id)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(urlsafe_b64encode(secrets.token_bytes(KEK_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            # A link, not a rename: a key that is there already is never replaced, and nobody reads half a key.
            os.link(draft, path)
        finally:
            draft.unlink()
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class FileSealer:
    """A sealer that follows its key files: what is sealed after a rotation is sealed with the new key."""

    def __init__(self, files: KeyFiles) -> None:
        """Read the keys.

        Raises:
            SettingsError: if they can't be used.
        """
        self._files = files
        self._ids, self._sealer = files.sealer()

    def seal(self, plaintext: bytes, *, identity: str) -> bytes:
        """Return ``plaintext`` sealed with the newest key.

        Raises:
            UnavailableError: if the key files can't be read.
        """
        self._follow()
        return self._sealer.seal(plaintext, identity=identity)

    def open(self, sealed: bytes, *, identity: str) -> bytes:
        """Return what was sealed for the row that ``identity`` names.

        Raises:
            SealError: as ``Sealer.open`` does.
            UnavailableError: if it needs a key that is new, and the key files can't be read.
        """
        if kek_id_of(sealed) not in self._ids:
            self._follow()
        return self._sealer.open(sealed, identity=identity)

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """Return a key for one purpose from each key-encryption key, the newest one's first.

        Raises:
            UnavailableError: if the key files can't be read.
        """
        self._follow()
        return self._sealer.derived(purpose)

    def _follow(self) -> None:
        # The names are compared, not the directory's time: two changes within a tick of the clock have the same one.
        try:
            if self._files.ids() != self._ids:
                self._ids, self._sealer = self._files.sealer()
        except SettingsError as error:
            log.error("key files can't be used", extra={"reason": str(error)})
            raise UnavailableError("the server's key-encryption keys can't be read; its log says why") from None
