"""Writes a new project from the files beside this module, and never over anything that is there."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from leasehold.cli.errors import ConflictError, WrongInputError

NAMES = {
    "README.md.txt": "README.md",
    "first_dag.py.txt": "first_dag.py",
    "test_first_dag.py.txt": "test_first_dag.py",
    "leasehold.toml.txt": "leasehold.toml",
    "gitignore.txt": ".gitignore",
    "check.yaml.txt": "ci/check.yaml",
}
"""Which file becomes which. They end with .txt here, so that no tool takes them for a part of the program."""


def start(folder: Path) -> list[Path]:
    """Write the project's files and return them.

    Raises:
        ConflictError: if one of them is there already; then nothing is written.
        WrongInputError: if the folder can't be written to.
    """
    texts = {
        target: files("leasehold.cli.starting").joinpath("template", name).read_text("utf-8")
        for name, target in NAMES.items()
    }
    if there := [target for target in texts if (folder / target).exists()]:
        raise ConflictError(
            f"{folder} has {', '.join(there)} already; nothing was written.",
            "Choose another folder: leasehold init DIR",
        )
    try:
        for target, text in texts.items():
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            # "x": should a file have come in the meantime, it stays.
            with (folder / target).open("x", encoding="utf-8") as file:
                file.write(text)
    except FileExistsError as error:
        raise ConflictError(f"{error.filename} is there already, and no folder or none of ours.") from error
    except OSError as error:
        raise WrongInputError(f"Cannot write {error.filename}: {error.strerror}.") from error
    return [folder / target for target in texts]
