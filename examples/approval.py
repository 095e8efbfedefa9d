"""A person decides: a new set point is proposed, somebody approves it or not, and only then it is written.

While the question is open no process runs and no slot is taken, for a minute or for a week. People answer with
`leasehold inputs list` and `leasehold inputs answer`; who answered, and when, is in the audit trail.

    leasehold connections set furnace_settings --conn-type file --host /srv/furnace.json --site plant
    leasehold deploy examples/approval.py
    leasehold runs trigger approval --param celsius=1240 --watch
"""

import json
from pathlib import Path

from leasehold import Connection, Skip, await_input, chain, dag, log, task


@task
def check_limits(celsius: float) -> dict[str, float]:
    """Return the proposal; what no person may approve is refused before anybody is asked."""
    if not 900 <= celsius <= 1300:
        raise ValueError(f"{celsius} °C is outside 900 to 1300 °C: nobody may set that")
    return {"celsius": celsius}


@task
def ask_shift_lead(proposal: dict[str, float]) -> dict[str, object]:
    """Wait for a person. The task runs again from its top when the answer is there, and this call returns it."""
    answer = await_input(
        f"Set the furnace to {proposal['celsius']} °C?",
        body="The change takes effect **at once**. Say *no* while somebody works at the furnace.",
        options=["yes", "no"],
        params={"ramp_minutes": {"type": "integer", "minimum": 5, "maximum": 120, "default": 30}},
        key="furnace",
        timeout="2d",
    )
    if answer.chosen == "no":
        raise Skip(f"{answer.by or 'somebody'} said no")
    log.info("approved", by=answer.by, ramp_minutes=answer.params["ramp_minutes"])
    return {**proposal, **answer.params}


@task(connections=["furnace_settings"])
def write_setting(setting: dict[str, object]) -> dict[str, object]:
    """Write the setting where the furnace reads it: at the one site that has been granted the connection."""
    file = Path(str(Connection.get("furnace_settings").host))
    aside = file.with_suffix(".new")
    aside.write_text(json.dumps(setting))
    aside.replace(file)  # at once or not at all: the furnace never reads half a file
    return setting


@dag
def approval(celsius: float = 1200.0) -> None:
    """Propose a temperature, have it approved, set it."""
    chain(write_setting(ask_shift_lead(check_limits(celsius))))
