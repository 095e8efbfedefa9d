"""Answers written by pydantic at once: FastAPI's own way would validate and walk every message a second time."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import Response
from pydantic import BaseModel


def answer(message: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a message as the response. Routes name the message as ``response_model`` for the OpenAPI document."""
    content = message.model_dump_json(by_alias=True)
    return Response(content, status_code=status, media_type="application/json", headers=headers)


def answer_agent(message: BaseModel) -> Response:
    """Like ``answer``, without fields that say nothing: some sites pay for each byte."""
    return Response(brief_json(message), media_type="application/json")


def brief_json(message: BaseModel) -> str:
    """Return a message as JSON, less the fields that are null, which is also what a reader takes for a missing one."""
    return message.model_dump_json(by_alias=True, exclude=_says_nothing(message))


def _says_nothing(message: BaseModel) -> dict[Any, Any]:
    """Return what pydantic shall leave out. Its own ``exclude_none`` would leave out nulls that are values."""
    optional, nested = _shape(type(message))
    found: dict[Any, Any] = {name: True for name in optional if getattr(message, name) is None}
    for name in nested:
        match getattr(message, name):
            case BaseModel() as below:
                inside = _says_nothing(below)
            case list() as items:
                each = ((place, _says_nothing(item)) for place, item in enumerate(items) if isinstance(item, BaseModel))
                inside = {place: nothing for place, nothing in each if nothing}
            case _:
                continue
        if inside:
            found[name] = inside
    return found


@cache
def _shape(kind: type[BaseModel]) -> tuple[list[str], list[str]]:
    """Return the fields that may be missing and then are null, and those that may hold messages."""
    fields = kind.model_fields
    optional = [name for name, field in fields.items() if not field.is_required() and field.default is None]
    nested = [name for name, field in fields.items() if _holds_messages(field.annotation)]
    return optional, nested


def _holds_messages(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(map(_holds_messages, getattr(annotation, "__args__", ())))
