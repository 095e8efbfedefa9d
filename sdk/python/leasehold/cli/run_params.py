"""The parameters of a run, as they are typed or read from a file."""

from __future__ import annotations

import json as json_text
from pathlib import Path

from leasehold.cli.errors import WrongInputError
from leasehold.cli.options import pairs
from leasehold_protocol.v1.message import Json


def params_given(given: list[str], file: Path | None) -> dict[str, Json]:
    """Return the parameters of a run, those of ``--param`` before those of a file.

    Raises:
        WrongInputError: the file can't be read.
    """
    from_file = {} if file is None else _params_from(file)
    return from_file | {name: _value(text) for name, text in pairs(given, option="--param").items()}


def _params_from(file: Path) -> dict[str, Json]:
    try:
        params = json_text.loads(file.read_bytes())
    except OSError as error:
        raise WrongInputError(f"Cannot read {file}: {error.strerror or error}.") from error
    except ValueError as error:
        raise WrongInputError(f"{file} is not JSON: {error}.") from error
    if not isinstance(params, dict):
        raise WrongInputError(f"{file} holds no JSON object.", 'It looks like {"day": "2026-11-02"}')
    return params


def _value(text: str) -> Json:
    try:
        return json_text.loads(text)
    except ValueError:
        return text
