"""Writes `docs/reference/cli.md` from the commands themselves: their help is the one source.

python docs/reference/generate_cli.py            writes the page
python docs/reference/generate_cli.py --check    exit 1 when the page is stale
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from leasehold.cli.app import make_app

PAGE = Path(__file__).with_name("cli.md")

HEAD = """\
# The `leasehold` command

Generated from the commands' own help by `docs/reference/generate_cli.py`; a test fails when this page is stale.

Every list and show has `--json`: a list is an array, an object is the message of the protocol, and nothing else is
printed to standard output. Hints and progress go to standard error. Colour appears on a terminal only
(`NO_COLOR` turns it off). `leasehold --install-completion` sets up completion in your shell.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | what was asked about failed: a watched run, a checked file |
| 2 | the command line, or a value in it |
| 3 | not signed in, or not allowed |
| 4 | no Leasehold API answers: connection refused, TLS, wrong address, overloaded |
| 5 | not there, there already, or in the way |
| 130 | interrupted with Ctrl-C |

## Environment

| variable | what |
|---|---|
| `LEASEHOLD_URL` | the API's address, instead of the one `login` remembered |
| `LEASEHOLD_TOKEN` | the API token |
| `LEASEHOLD_TOKEN_FILE` | a file with the API token |
| `LEASEHOLD_TEAM` | the team; `--team` wins over it |
| `LEASEHOLD_TOKEN_STORE` | where `login` keeps the token: `auto`, `keyring` or `file` |
| `LEASEHOLD_CONFIG_DIR` | where `login` keeps what it remembers, instead of the system's usual place |
| `SSL_CERT_FILE` | a PEM file with the authorities to trust |

`https_proxy`, `http_proxy` and `no_proxy` are honoured.
"""


def page() -> str:
    """Return the whole page."""
    root = typer.main.get_command(make_app())
    parts = [HEAD]
    for path, command in _commands(root, ("leasehold",)):
        parts.append(_section(path, command))
    return "\n".join(parts)


def _commands(command: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], TyperCommand | TyperGroup]]:
    if isinstance(command, TyperGroup):
        if len(path) > 1:
            yield path, command
        for name, below in command.commands.items():
            yield from _commands(below, (*path, name))
    elif isinstance(command, TyperCommand):
        yield path, command


def _section(path: tuple[str, ...], command: TyperCommand | TyperGroup) -> str:
    if isinstance(command, TyperGroup):
        return f"## {' '.join(path)}\n\n{cleandoc(command.help or '')}\n"
    level = "##" if len(path) == 2 else "###"
    parts = [f"{level} {' '.join(path)}\n", cleandoc(command.help or "") + "\n"]
    if rows := [*_rows(command)]:
        parts.append("\n".join(["| argument or option | what |", "|---|---|", *rows]) + "\n")
    examples = [line.replace("\\[", "[") for line in (command.epilog or "").split("\n\n")[1:]]
    parts.append("\n".join(["```console", *examples, "```"]) + "\n")
    return "\n".join(parts)


def _rows(command: TyperCommand) -> Iterator[str]:
    for param in command.params:
        if isinstance(param, TyperArgument):
            name = param.metavar or (param.name or "").upper()
            yield _row(name.strip("[]"), param.help, "" if param.required else "optional")
        elif isinstance(param, TyperOption) and param.name != "help":
            value = f" {param.metavar}" if not param.is_flag else ""
            yield _row(f"{', '.join(param.opts)}{value}", param.help, _default(param))


def _row(name: str, text: str | None, note: str) -> str:
    words = f"{text or ''} {f'({note})' if note else ''}".strip()
    return f"| `{_cell(name)}` | {_cell(words)} |"


def _cell(text: str) -> str:
    # Even in code, a bar would end the table's cell.
    return text.replace("|", "\\|")


def _default(param: TyperOption) -> str:
    default = getattr(param.default, "value", param.default)
    if param.is_flag or default is None or default in {"", ()} or callable(default):
        return ""
    return f"default: {default}"


def main() -> int:
    """Write the page, or tell whether it is stale."""
    made = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == made:
        return 0
    print(f"{PAGE} is stale: python docs/reference/generate_cli.py", file=sys.stderr)  # noqa: T201 - a script
    return 1


if __name__ == "__main__":
    sys.exit(main())
