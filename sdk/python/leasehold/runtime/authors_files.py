"""What the author's files are called in the log: as the author calls them, not by where a site keeps their bundle."""

from __future__ import annotations

_folder = ""


def lie_in(folder: str) -> None:
    """Say in which folder this process's bundle is; it has one, from its beginning to its end."""
    global _folder
    _folder = folder.rstrip("/") + "/"


def name_of(file: str) -> str:
    """Return a file's name in the bundle; of any other file the path as it is."""
    return file.removeprefix(_folder)
