"""``edge-agent pause | resume | drain | stop | reload``: what the site's operator tells the running agent."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from leasehold.durations import seconds
from leasehold_agent.commands.settings import settings_from
from leasehold_agent.control import Answer, give_order
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.record import enrolled


def pause(arguments: Namespace) -> Exit:
    """Take no new work."""
    for_s = None
    if arguments.duration is not None:
        try:
            for_s = seconds(arguments.duration)
        except ValueError as error:
            raise OperatorError(Exit.USAGE, f"--for: {error}.", "Write it like --for 2h or --for 30m.") from None
        if for_s <= 0:
            raise OperatorError(Exit.USAGE, "--for: a pause takes some time.", "Write it like --for 2h.")
    answer = _order(arguments, "pause", note=arguments.note[:500], for_s=for_s)
    return _show(arguments, answer, f"No new work is taken: {answer['said']}.\n{_running(answer['running'])}")


def resume(arguments: Namespace) -> Exit:
    """Take work again."""
    answer = _order(arguments, "resume")
    was = "Work is taken again." if answer["was_paused"] else "It was not paused here."
    left = answer["paused_because"]
    return _show(arguments, answer, f"{was} Still: {'; '.join(left)}." if left else was)


def drain(arguments: Namespace) -> Exit:
    """Take no new work, and end when all is delivered."""
    return _ends(arguments, _order(arguments, "drain"), "The agent takes no new work, and ends when all is delivered.")


def stop(arguments: Namespace) -> Exit:
    """Cancel what runs and end, or with --force end at once."""
    answer = _order(arguments, "stop", force=arguments.force)
    forced = "The agent ends at once; its attempts go on, and the next start finds them."
    return _ends(arguments, answer, forced if arguments.force else "The agent cancels what runs, and ends.")


def reload(arguments: Namespace) -> Exit:
    """Read the settings again."""
    answer = _order(arguments, "reload")
    changed, waiting = answer["changed"], answer["need_restart"]
    said = f"Changed: {', '.join(changed)}." if changed else "Nothing changed that can change while it runs."
    if waiting:
        said += f" These take a restart: {', '.join(waiting)}."
    if answer["policy"]:
        said += f"\nThe site's policy: {answer['policy']}."
    return _show(arguments, answer, said)


def _order(arguments: Namespace, order: str, **more: object) -> Answer:
    """Return the running agent's answer.

    Raises:
        OperatorError: there is no agent, or it could not do that.
    """
    state_dir = settings_from(arguments).settings.state_dir
    try:
        answer = give_order(state_dir, order, **more)
    except (OSError, ValueError) as error:
        raise OperatorError(
            Exit.INTERNAL, f"The running agent did not answer: {error}.", "edge-agent status shows whether it is there."
        ) from error
    if answer is None:
        enrolled(state_dir)
        raise OperatorError(
            Exit.NOT_RUNNING,
            f"No agent runs on {state_dir}.",
            "Start it with edge-agent run, or name the right --state-dir.",
        )
    if "error" in answer:
        raise OperatorError(Exit.REFUSED, str(answer["error"]), "The agent's log says more under the same time.")
    return answer


def _ends(arguments: Namespace, answer: Answer, said: str) -> Exit:
    lines = [said]
    for name, what in (("running", "still runs"), ("undelivered", "is not delivered yet")):
        lines += [f"  {attempt} {what}" for attempt in answer[name]]
    if not answer["running"] and not answer["undelivered"]:
        lines.append("Nothing is left.")
    return _show(arguments, answer, "\n".join(lines))


def _show(arguments: Namespace, answer: Answer, said: str) -> Exit:
    sys.stdout.write((json.dumps(answer, indent=2) if arguments.json else said) + "\n")
    return Exit.OK


def _running(count: int) -> str:
    return "Nothing runs." if count == 0 else f"{count} running attempt{'s go' if count > 1 else ' goes'} on."
