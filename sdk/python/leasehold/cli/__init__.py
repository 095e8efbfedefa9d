"""The `leasehold` command: what authors and admins type. It speaks to the API over HTTP, like any other program."""

from __future__ import annotations

import sys

from leasehold_protocol import building


def main() -> None:
    """Run the command line and end the process with the exit code that ``errors.ExitCode`` documents."""
    building.defer()  # before anything that defines messages is imported
    from leasehold.cli.app import make_app
    from leasehold.cli.errors import CliError, ExitCode
    from leasehold.cli.screen import tell_error

    try:
        make_app(next(iter(sys.argv[1:]), None))()
    except CliError as error:
        tell_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
