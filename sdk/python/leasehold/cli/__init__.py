"""The `leasehold` command: what authors and admins type. It speaks to the API over HTTP, like any other program."""

from __future__ import annotations

import sys
from collections.abc import Callable


def main() -> None:
    """Run the command line and end the process with the exit code that ``errors.ExitCode`` documents."""
    from leasehold.cli.errors import CliError, ExitCode
    from leasehold.cli.screen import tell_error

    try:
        _app()()
    except CliError as error:
        tell_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _app() -> Callable[[], object]:
    """Return the command line; for a check, which is run with every save, no more of it than that needs."""
    if sys.argv[1:2] == ["check"]:
        from leasehold.cli.check_app import check_app

        return check_app()
    from leasehold.cli.app import app

    return app
