"""Assets as authors write them: the manifest, mistakes, and what becomes of them in a script run by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasehold import Asset, AssetAlias, assets, errors, outlet_events
from leasehold.authoring.loading import load_file
from leasehold_protocol.v1.manifest import Manifest

HEAD = "from leasehold import Asset, AssetAlias, dag, shell, task\n\n\n"


def _loaded(folder: Path, body: str):  # type: ignore[no-untyped-def]
    file = folder / "plant.py"
    file.write_text(HEAD + body)
    return load_file(file)


def test_inlets_and_outlets_are_in_the_manifest(tmp_path: Path) -> None:
    body = (
        'A = Asset("plant/readings", uri="s3://readings", group="plant", extra={"owner": "north"})\n'
        "@dag\n"
        "def plant():\n"
        '    shell("true", id="t", inlets=[A, "report"], outlets=[A, A, AssetAlias("backups")])\n'
        '    shell("true", id="without")\n'
    )

    [found] = _loaded(tmp_path, body).dags

    task, without = Manifest.model_validate(found.manifest).tasks
    assert [(asset.name, asset.uri) for asset in task.inlets] == [("plant/readings", "s3://readings"), ("report",) * 2]
    assert [(asset.name, asset.group, asset.extra) for asset in task.outlets] == [
        ("plant/readings", "plant", {"owner": "north"})
    ]
    assert task.outlet_aliases == ["backups"]
    assert not {"inlets", "outlets"} & found.manifest["tasks"][1].keys(), without


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ('Asset("a", uri="s3://a")', 'Asset("a", uri="s3://b")', "the asset 'a' has the URI 's3://b' here"),
        (
            'Asset("a", uri="s3://a")',
            'Asset("b", uri="s3://a")',
            "'s3://a' is the asset 'b' here and 'a' in task 'one'",
        ),
    ],
)
def test_a_contradiction_is_a_mistake_at_its_line_in_whichever_dag(
    tmp_path: Path, first: str, second: str, says: str
) -> None:
    dags = [f'@dag\ndef x():\n    shell("true", id="one", outlets=[{first}])\n']
    dags += [f'@dag\ndef y():\n    shell("true", id="two", inlets=[{second}])\n']
    body = "\n".join(dags)

    [problem] = _loaded(tmp_path, body).problems

    assert says in problem.message
    assert problem.line == 10


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": ""}, "can't name an asset"),
        ({"name": "no spaces"}, "and uri= for the rest"),
        ({"name": "/a"}, "begin with a letter or digit"),
        ({"name": "a/../b"}, "leave '..' out"),
        ({"name": "a" * 251}, "up to 250"),
        ({"name": "a", "uri": ""}, "1 to 1500 characters"),
        ({"name": "a", "uri": "s3://a b"}, "percent-encode"),
        ({"name": "a", "uri": "s3://"}, "scheme://place"),
        ({"name": "a", "uri": "postgres://me:secret@db/t"}, "must not have a password in it"),
        ({"name": "a", "group": "x y"}, "can't be a group"),
    ],
)
def test_what_can_be_no_asset_says_what_to_write(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says.replace(".", r"\.")) as problem:
        Asset(**given)

    assert "secret" not in str(problem.value)


@pytest.mark.parametrize("outlets", ['"report"', "[3]", '{"a": 1}', '[Asset("a", extra={"x": object()})]'])
def test_outlets_that_are_no_list_of_assets_are_a_mistake(tmp_path: Path, outlets: str) -> None:
    body = f'@dag\ndef x():\n    shell("true", id="one", outlets={outlets})\n'

    [problem] = _loaded(tmp_path, body).problems

    assert "outlets=" in problem.message


def test_by_hand_state_is_in_memory_and_events_go_nowhere() -> None:
    kept = assets.state(Asset("by/hand"))
    kept.set("row", {"n": 7})
    outlet_events["by/hand"].extra = {"rows": 1}
    outlet_events["by/hand"].extra["rows"] = 2
    outlet_events[AssetAlias("any")].add(Asset("by/hand"))

    found = (kept.get("row"), kept.keys("r"), kept.get("other", 3))
    kept.clear()

    assert found == ({"n": 7}, ["row"], 3)
    assert outlet_events["by/hand"].extra == {"rows": 2}
    assert kept.get("row") is None
    with pytest.raises(errors.RefusedError, match="no task is running here"):
        assets.get("by/hand")


def test_an_alias_has_no_event_of_its_own_and_an_asset_stands_for_itself() -> None:
    with pytest.raises(TypeError, match="add"):
        outlet_events[AssetAlias("any")].extra = {"rows": 1}
    with pytest.raises(TypeError, match="only an alias"):
        outlet_events["by/hand"].add(Asset("other"))
    with pytest.raises(TypeError, match="one of them"):
        assets.state()
