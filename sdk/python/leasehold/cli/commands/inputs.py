"""``leasehold inputs``: what running tasks ask people, and answering them."""

from __future__ import annotations

import json as json_text
import sys
from typing import Annotated, Any

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.following import task_label
from leasehold.cli.options import JsonOption, TeamOption, group, pairs
from leasehold.cli.session import ask
from leasehold_protocol.v1.inputs import AskedQuestion, AskedQuestionList, AskedState
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.waiting import Answer, Question

app = group("Inputs: what tasks ask people with await_input(…).")

InputId = Annotated[str, typer.Argument(help="The question's id, as listed.", metavar="INPUT")]


@app.command("list", epilog=examples("leasehold inputs list", "leasehold inputs list --all --json"))
def list_inputs(
    *,
    all_of_them: Annotated[bool, typer.Option("--all", help="Also those that are not open any more.")] = False,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """List the questions that wait for an answer."""
    query: dict[str, str | int | float] = {} if all_of_them else {"state": AskedState.OPEN.value}
    found = ask(lambda api: rows(api.pages(api.of_team("inputs"), AskedQuestionList, query)), team=team)
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.table(
        ["input", "question", "task", "state", "asked", "until", "assigned to"],
        [
            (
                each.input,
                screen.show_value(each.question.question),
                f"{each.dag}.{task_label(each.task, each.map_index)}",
                screen.state(each.state),
                show_when(each.asked_at, now=now),
                show_when(each.until, now=now) if each.until else "",
                ", ".join(each.question.assigned_to),
            )
            for each in found
        ],
        empty="No task waits for an answer.",
    )


@app.command("show", epilog=examples("leasehold inputs show in_019a_0_1"))
def show(input_id: InputId, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show a question with all there is to know for an answer, and the answer if it has one."""
    found = ask(lambda api: _get(api, input_id), team=team)
    if json:
        screen.write_json(found)
    else:
        _show(found)


@app.command(
    "answer",
    epilog=examples(
        "leasehold inputs answer in_019a_0_1",
        "leasehold inputs answer in_019a_0_1 --choose yes --param tons=3",
    ),
)
def answer(
    input_id: InputId,
    *,
    choose: Annotated[
        list[str] | None, typer.Option("--choose", "-c", help="An option; repeat for more.", metavar="OPTION")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="A value, JSON where it can be read so, else text.", metavar="NAME=VALUE"),
    ] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Answer a question (operators and admins, or those it is assigned to of them); asks for what is missing."""
    given = Answer(chosen=choose or [], params={name: _value(text) for name, text in _pairs(param).items()})
    if not choose and not param:
        asked = ask(lambda api: _get(api, input_id), team=team)
        if not sys.stdin.isatty():
            raise WrongInputError("Nothing is answered.", f"Say it: {_hint(asked.question)}")
        _show(asked)
        given = _prompted(asked.question)

    async def work(api: Api) -> AskedQuestion:
        return await api.send("POST", api.of_team("inputs", input_id, "answer"), given, AskedQuestion)

    done = ask(work, team=team)
    if json:
        screen.write_json(done)
    else:
        screen.say(f"Answered. {done.dag}.{task_label(done.task, done.map_index)} of run {done.run} goes on.")


async def _get(api: Api, input_id: str) -> AskedQuestion:
    return await api.get(api.of_team("inputs", input_id), AskedQuestion)


def _show(asked: AskedQuestion) -> None:
    now, question = screen.now(), asked.question
    facts: list[tuple[str, Any]] = [
        ("question", screen.show_value(question.question, longest=1000)),
        ("asked by", f"{asked.dag}.{task_label(asked.task, asked.map_index)} of run {asked.run}"),
        ("state", screen.state(asked.state)),
        ("options", ", ".join(question.options) + (" (any number)" if question.multiple else "")),
        *((f"param {name}", screen.show_value(schema, longest=400)) for name, schema in question.params.items()),
        ("assigned to", ", ".join(question.assigned_to)),
        ("until", show_when(asked.until, now=now) if asked.until else ""),
        ("then", _shown(asked.default) if asked.default and asked.state is AskedState.OPEN else ""),
        ("answer", _shown(asked.answer) if asked.answer else ""),
        ("answered by", asked.answered_by or ""),
    ]
    screen.facts([(name, value) for name, value in facts if value])
    if question.body:
        from rich.markdown import Markdown

        screen.show(Markdown(screen.harmless_lines(question.body)))


def _shown(given: Answer) -> str:
    params = [f"{name}={screen.show_value(value)}" for name, value in given.params.items()]
    return ", ".join([*given.chosen, *params])


def _prompted(question: Question) -> Answer:
    from rich.prompt import Prompt

    console = screen.screen(stderr=True)
    chosen: list[str] = []
    if question.options and question.multiple:
        typed = Prompt.ask(f"Choose, with commas between ({', '.join(question.options)})", console=console)
        chosen = [choice.strip() for choice in typed.split(",") if choice.strip()]
    elif question.options:
        chosen = [Prompt.ask("Choose", choices=question.options, console=console)]
    params: dict[str, Json] = {}
    for name, schema in question.params.items():
        default = schema.get("default") if isinstance(schema, dict) else None
        typed = Prompt.ask(name, default="" if default is None else json_text.dumps(default), console=console)
        if typed:
            params[name] = _value(typed)
    return Answer(chosen=chosen, params=params)


def _hint(question: Question) -> str:
    parts = [f"--choose {'|'.join(question.options)}"] if question.options else []
    return " ".join([*parts, *(f"--param {name}=…" for name in question.params)])


def _pairs(given: list[str] | None) -> dict[str, str]:
    return pairs(given or [], option="--param")


def _value(text: str) -> Json:
    try:
        return json_text.loads(text)
    except ValueError:
        return text
