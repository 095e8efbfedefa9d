"""Where the value of an argument comes from: pure data, worked out where the task runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from leasehold_protocol.v1.message import Json, Key, Message, Name

RESULT_KEY = "return_value"
"""The XCom key of a task's result, Airflow's name for it."""


class LiteralValue(Message):
    """A value known when the DAG was compiled."""

    kind: Literal["literal"] = "literal"
    value: Json


class ParamValue(Message):
    """A parameter of the run."""

    kind: Literal["param"] = "param"
    name: Name


class ResultValue(Message):
    """What an upstream task returned, or pushed under ``key``."""

    kind: Literal["result"] = "result"
    task: Name
    key: Key = RESULT_KEY


class ResultsValue(Message):
    """What the instances of a mapped upstream task returned, or pushed under ``key``: a list, by their map index."""

    kind: Literal["results"] = "results"
    task: Name
    key: Key = RESULT_KEY


class ItemValue(Message):
    """What an instance of a mapped task takes of its item under this name."""

    kind: Literal["item"] = "item"
    name: str


class TemplateValue(Message):
    """Text with ``{{ … }}`` in it, rendered where the task runs."""

    kind: Literal["template"] = "template"
    text: str


class ListValue(Message):
    """A list that has expressions inside."""

    kind: Literal["list"] = "list"
    items: list[Expression]


class DictValue(Message):
    """A mapping that has expressions inside."""

    kind: Literal["dict"] = "dict"
    items: dict[str, Expression]


Expression = Annotated[
    LiteralValue | ParamValue | ResultValue | ResultsValue | ItemValue | TemplateValue | ListValue | DictValue,
    Field(discriminator="kind"),
]
"""Where an argument's value comes from."""


ListValue.model_rebuild()
DictValue.model_rebuild()
