"""Every message of protocol v1 has one golden file; what was released stays readable, and is written as before.

A golden file is never edited once its version is released: add a field with a default, and let the test show that
old messages are still understood. `python tests/protocol/test_golden.py` writes files for messages that have none.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

import leasehold_protocol.v1
from leasehold_protocol.v1.message import Message

GOLDEN = Path(__file__).parent / "golden" / "v1"
NOT_MESSAGES = {"Message", "Page"}


def messages() -> dict[str, type[Message]]:
    """Return every message of the protocol by name."""
    found: dict[str, type[Message]] = {}
    for module in pkgutil.iter_modules(leasehold_protocol.v1.__path__):
        members = inspect.getmembers(importlib.import_module(f"leasehold_protocol.v1.{module.name}"), inspect.isclass)
        found |= {name: each for name, each in members if issubclass(each, Message) and name not in NOT_MESSAGES}
    return found


MESSAGES = messages()


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_golden_message_is_understood_whole(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text())

    parsed = MESSAGES[name].model_validate(golden)

    written = json.loads(parsed.model_dump_json(by_alias=True))
    assert without_new_fields(written, golden) == golden


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_fields_from_the_future_are_ignored(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text())

    parsed = MESSAGES[name].model_validate(golden | {"from_the_future": {"a": 1}})

    assert "from_the_future" not in json.loads(parsed.model_dump_json())


def test_no_golden_file_is_left_without_its_message() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(MESSAGES)


def without_new_fields(written: Any, golden: Any) -> Any:
    """Return ``written`` without the fields that ``golden`` is too old to have."""
    if isinstance(written, dict) and isinstance(golden, dict):
        return {name: without_new_fields(value, golden[name]) for name, value in written.items() if name in golden}
    if isinstance(written, list) and isinstance(golden, list) and len(written) == len(golden):
        return [without_new_fields(*pair) for pair in zip(written, golden, strict=True)]
    return written


class Example:
    """Makes one example of a message from its schema: every field set."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.defs = schema.get("$defs", {})
        self.depth = 0

    def of(self, schema: dict[str, Any], name: str = "") -> Any:
        if "$ref" in schema:
            return self.of(self.defs[schema["$ref"].rsplit("/", 1)[1]], name)
        if fixed := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
            return fixed[0]
        if options := schema.get("anyOf", []) + schema.get("oneOf", []):
            return self.of(next(option for option in options if option.get("type") != "null"), name)
        return self.plain(schema, name)

    def plain(self, schema: dict[str, Any], name: str) -> Any:
        match schema.get("type"):
            case "object":
                return self.object(schema)
            case "array":
                self.depth += 1
                # An example's only task can't come after another.
                items = [] if self.depth > 4 or name == "upstream" else [self.of(schema.get("items", {}), name)]
                self.depth -= 1
                return items
            case "integer":
                return int(schema.get("minimum", schema.get("exclusiveMinimum", 0))) + 1
            case "number":
                return float(schema.get("minimum", schema.get("exclusiveMinimum", 0))) + 0.5
            case "boolean":
                return True
            case "string":
                return self.string(schema, name)
            case _:
                return {"any": ["JSON", 1, None]}

    def object(self, schema: dict[str, Any]) -> dict[str, Any]:
        if properties := schema.get("properties"):
            return {name: self.of(each, name) for name, each in properties.items()}
        self.depth += 1
        values = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
        made = (
            {} if self.depth > 4 or values is False else {"name": self.of(values if isinstance(values, dict) else {})}
        )
        self.depth -= 1
        return made

    def string(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") == "date-time":
            return "2026-01-31T12:34:56.789012Z"
        if schema.get("format") in {"base64", "base64url", "binary"}:
            return "bG9n"
        if name == "thumbprint":
            return "A" * 43
        if "whl" in schema.get("pattern", ""):
            return "colours-1.0-py3-none-any.whl"
        if "0-9a-f" in schema.get("pattern", ""):
            return "ab" * 32
        return name or "text"


def _write_missing() -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, message in sorted(MESSAGES.items()):
        path = GOLDEN / f"{name}.json"
        if path.exists():
            continue
        schema = TypeAdapter(message).json_schema(mode="validation")
        example = Example(schema).of(schema)
        parsed = message.model_validate(example)
        path.write_text(json.dumps(json.loads(parsed.model_dump_json(by_alias=True)), indent=2, sort_keys=True) + "\n")
        print("wrote", path.name)


if __name__ == "__main__":
    _write_missing()
