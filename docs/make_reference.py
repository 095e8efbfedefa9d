"""Makes the pages of docs/reference that are made from the code.

python docs/make_reference.py            writes them
python docs/make_reference.py --check    exits with 1 and names the stale ones
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

REFERENCE = Path(__file__).parent / "reference"


def openapi() -> str:
    """Return the OpenAPI document of the API."""
    from leasehold_api.app import make_app

    return json.dumps(make_app().openapi(), indent=2, sort_keys=True) + "\n"


def command_line() -> str:
    """Return the page of the ``leasehold`` command."""
    sys.path.insert(0, str(REFERENCE))
    from generate_cli import page  # type: ignore[import-not-found]  # a script beside its page

    return str(page())


def api_settings() -> str:
    """Return the page of the API's settings."""
    from leasehold_api.config import Settings

    return _settings_page(
        Settings,
        title="Settings of the API",
        introduction=(
            "`leasehold-api` reads `/etc/leasehold/api.toml` (another file: `LEASEHOLD_API_CONFIG`), then the "
            "environment, then flags; the later one wins. Names are the same everywhere: `most_queued` in the file is "
            "`LEASEHOLD_API_MOST_QUEUED` in the environment."
        ),
    )


def agent_settings() -> str:
    """Return the page of the agent's settings."""
    from leasehold_agent.config import Settings

    return _settings_page(
        Settings,
        title="Settings of the agent",
        introduction=(
            "`edge-agent` reads `/etc/leasehold/agent.toml` (another file: `LEASEHOLD_AGENT_CONFIG`), then the "
            "environment, then flags; the later one wins. Names are the same everywhere: `slots` in the file is "
            "`LEASEHOLD_AGENT_SLOTS` in the environment and `--slots` on the command line. `edge-agent config` prints "
            "the values in force and where each comes from."
        ),
    )


def access() -> str:
    """Return the page of all routes with who may call them."""
    from leasehold_api.http.access import ACCESS

    lines = [
        "# Routes, and who may call them",
        "",
        "Made from the table that the API enforces (`leasehold_api.http.access`). Roles include the ones before them: "
        "viewer, author, operator, admin. What each message looks like is in [openapi.json](openapi.json).",
        "",
        "| method | path | caller |",
        "|---|---|---|",
    ]
    for (method, path), requirement in ACCESS.items():
        caller = f"{requirement.role} of the team" if requirement.role else requirement.kind.value.replace("_", " ")
        lines.append(f"| {method} | `{path}` | {caller} |")
    return "\n".join(lines) + "\n"


def task_interface() -> str:
    """Return the page that compares the task interface with Airflow's."""
    sys.path.insert(0, str(REFERENCE))
    from generate_task_interface import page  # type: ignore[import-not-found]  # a script beside its page

    return str(page())


def policy() -> str:
    """Return the page of the site's policy."""
    from leasehold_agent.policy.model import Hours, Limits, Policy, Program, Signers, Window

    lines = [
        "# The site's policy",
        "",
        "`policy.toml`, at `/etc/leasehold/policy.toml` or where the setting `policy_file` says. How to write one, and "
        "what it means for tasks: [howto/site-policy.md](../howto/site-policy.md). `edge-agent policy init` prints an "
        "example, `edge-agent policy check FILE` names every mistake.",
        "",
        "In patterns `*` (any run of characters) and `?` (one) stay within one part of a path, `**` is anything. "
        '`"*"` is any name. What climbs (`/data/../etc`) fits only a pattern that says so letter by letter, or `**` '
        'alone. Sizes are bytes or text like `"64MiB"`, durations seconds or text like `"1h30m"`.',
    ]
    for title, model in (
        ("The file", Policy),
        ("`[limits]`", Limits),
        ("`[signers]`", Signers),
        ("`[hours]`", Hours),
        ("An entry of `windows`", Window),
        ("`[[programs]]`", Program),
    ):
        lines += ["", f"## {title}", "", "| name | default | what |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            default = "(required)" if field.is_required() else "(none)" if field.default_factory else _default(field)
            lines.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "openapi.json": openapi,
    "cli.md": command_line,
    "api-settings.md": api_settings,
    "agent-settings.md": agent_settings,
    "routes.md": access,
    "policy.md": policy,
    "task-interface.md": task_interface,
}


def _settings_page(settings: type[BaseModel], *, title: str, introduction: str) -> str:
    lines = [f"# {title}", "", introduction, "", "| name | default | what |", "|---|---|---|"]
    for name, field in settings.model_fields.items():
        description = " ".join((field.description or "").split())
        lines.append(f"| `{name}` | {_default(field)} | {description} |")
    return "\n".join(lines) + "\n"


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "(by machine)" if field.default_factory not in {dict, list} else "(empty)"
    if field.default is None:
        return "(none)"
    return f"`{field.default}`"


def main() -> int:
    """Write or check the pages."""
    stale: list[str] = []
    for name, make in PAGES.items():
        path, content = REFERENCE / name, make()
        if path.exists() and path.read_text() == content:
            continue
        if "--check" in sys.argv:
            stale.append(str(path))
        else:
            path.write_text(content)
            print(f"wrote {path}")  # noqa: T201 - a script
    if stale:
        print("stale, run `make docs`:", *stale, sep="\n  ")  # noqa: T201 - a script
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
