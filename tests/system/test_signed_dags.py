"""A site that runs signed DAGs only, with real processes; and an API whose database somebody altered."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leasehold_protocol.v1.manifest import Manifest
from tests.support.signing import BUILD
from tests.system.place import open_place
from tests.system.test_site_policy import Choosy

DAG = '''\
"""Work for one site."""

from leasehold import dag, task


@task(needs={"place": "north"})
def work() -> str:
    return "NAME did it"


@dag
def NAME():
    work()
'''
ANYWHERE = DAG.replace('@task(needs={"place": "north"})', "@task")
POLICY = """\
version = 1
runtimes = ["python", "program"]
teams = ["*"]
dags = ["*"]
[[programs]]
path = "/bin/*"
[signers]
"""


class Signing(Choosy):
    """A place whose site north wants signatures, with the keys of two people."""

    def key(self, name: str) -> str:
        """Return a public key; its private half is made when it is first asked for."""
        file = self.place.home / f"{name}.pem"
        action = "show" if file.exists() else "generate"
        return str(json.loads(self.json("leasehold", "keys", action, str(file), "--json"))["key"])

    def json(self, *argv: str) -> str:
        """Return the JSON that a command printed, without what it said beside it."""
        said = self.place.command(*argv)
        return said[: said.rindex("}") + 1]

    def deploy(self, name: str, *, by: str | None = None, source: str = DAG) -> None:
        """Deploy a DAG of this name, signed or not."""
        file = self.place.home / f"{name}.py"
        file.write_text(source.replace("NAME", name), encoding="utf-8")
        signed = () if by is None else ("--sign", str(self.place.home / f"{by}.pem"))
        self.place.command("leasehold", "deploy", str(file), *signed)

    def trusts(self, *names: str) -> None:
        """Let north know the keys of these people, and wait until it goes by that."""
        self.in_force(POLICY + f"keys = {json.dumps([self.key(name) for name in names])}\n")

    def alter(self, dag: str, change: Any) -> None:
        """Alter the newest manifest of a DAG where the API keeps it, as whoever holds its database could."""
        (file,) = (self.place.home / "api").glob("*.db")
        with sqlite3.connect(file, timeout=30) as database:
            query = (
                "SELECT v.id, v.manifest FROM dag_versions v JOIN dags d ON d.id = v.dag_id AND d.version = v.version"
            )
            version, manifest = database.execute(f"{query} WHERE d.name = ?", [dag]).fetchone()
            document = json.loads(manifest)
            change(document)
            database.execute("UPDATE dag_versions SET manifest = ? WHERE id = ?", [json.dumps(document), version])
        database.close()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    home = tmp_path_factory.mktemp("signing")
    home.chmod(0o700)
    with open_place(home) as place:
        place.serve()
        for site in ("north", "plant"):
            place.make_site(site)
            place.enroll(site, f"{site}-1")
        signing = Signing(place)
        signing.write(POLICY + f'keys = ["{signing.key("ada")}"]\n')
        place.env["LEASEHOLD_AGENT_POLICY_FILE"] = str(signing.file)
        signing.agent = place.start_agent("north-1", "--slots", "4")
        del place.env["LEASEHOLD_AGENT_POLICY_FILE"]
        yield signing


def test_what_a_known_key_signed_runs_and_shows_its_key(here: Signing) -> None:
    here.trusts("ada")
    here.deploy("signed", by="ada")

    run = here.place.run_dag("signed")

    assert run["tasks"][0]["result"] == "signed did it"
    assert here.key("ada") in here.place.command("leasehold", "dags", "show", "signed")


def test_a_task_that_was_altered_in_the_database_does_not_run(here: Signing) -> None:
    here.trusts("ada")
    here.deploy("altered", by="ada")

    def steal(manifest: dict[str, Any]) -> None:
        argv = [{"kind": "literal", "value": text} for text in ("echo stolen",)]
        manifest["tasks"][0]["work"] = {"kind": "program", "argv": argv, "shell": True}

    here.alter("altered", steal)
    run = here.place.trigger("altered")

    task = here.waits(run, "its signature does not fit: the task work was changed after signing")
    assert [attempt["ending"] for attempt in task["attempts"]] == ["refused"]
    here.place.cancel(run)


def test_a_bundle_that_was_exchanged_in_the_database_does_not_run(here: Signing) -> None:
    here.trusts("ada")
    here.deploy("exchanged", by="ada")
    here.deploy("evil")
    evil = here.place.get("dags/evil")["manifest"]["bundle"]

    here.alter("exchanged", lambda manifest: manifest.update(bundle=evil))
    run = here.place.trigger("exchanged")

    here.waits(run, "its signature does not fit: the bundle was changed after signing")
    here.place.cancel(run)


def test_a_key_is_exchanged_by_naming_both_for_a_while_and_revoked_by_taking_it_out(here: Signing) -> None:
    here.trusts("ada", "ben")
    here.deploy("rotated", by="ada")
    assert here.place.run_dag("rotated")["state"] == "success"

    here.trusts("ben")
    old = here.place.trigger("rotated")
    here.waits(old, f"signed by the key {here.key('ada')}, which this site does not know")
    here.deploy("rotated", by="ben")

    assert here.place.run_dag("rotated")["state"] == "success"
    here.place.cancel(old)


def test_the_keys_of_a_jwks_file_count_and_a_change_of_it_too(here: Signing) -> None:
    file = here.place.home / "signers.json"

    def publish(*names: str) -> None:
        show = ("leasehold", "keys", "show")
        jwks = [json.loads(here.json(*show, str(here.place.home / f"{name}.pem"), "--json"))["jwk"] for name in names]
        new = file.with_suffix(".new")
        new.write_text(json.dumps({"keys": jwks}))
        new.chmod(0o644)
        new.replace(file)

    here.key("ada"), here.key("ben")
    publish("ada", "ben")
    here.in_force(POLICY + f'jwks = "{file}"\n')
    here.deploy("published", by="ada")
    assert here.place.run_dag("published")["state"] == "success"

    publish("ben")
    here.in_force(POLICY + f'jwks = "{file}"\n')

    run = here.place.trigger("published")
    here.waits(run, "which this site does not know")
    here.place.cancel(run)


def test_an_old_signature_does_not_run_where_only_young_ones_do(here: Signing) -> None:
    here.in_force(POLICY + f'keys = ["{BUILD.line}"]\nmax_age = "30d"\n')
    here.deploy("old")
    manifest = Manifest.model_validate(here.place.get("dags/old")["manifest"])
    for days, reason in ((31, "its signature is too old"), (1, None)):
        signature = BUILD.sign(manifest, signed_at=datetime.now(UTC) - timedelta(days=days))
        body = {"manifest": manifest.model_dump(mode="json"), "signature": signature}
        assert here.place.client.post("/v1/teams/default/dags", json=body).status_code == 201
        run = here.place.trigger("old")

        if reason is None:
            assert here.place.finished(run)["state"] == "success"
        else:
            here.waits(run, reason)
            here.place.cancel(run)


def test_explain_says_what_a_signature_would_change(here: Signing) -> None:
    here.write(POLICY + f'keys = ["{here.key("ada")}"]\nmax_age = "30d"\n')
    ask = ("edge-agent", "policy", "explain", "--file", str(here.file), "--dag", "x", "--task", "y")

    assert "it is not signed" in here.place.command(*ask, code=13)
    assert "would run here" in here.place.command(*ask, "--signed-by", here.key("ada"))
    assert "does not know" in here.place.command(*ask, "--signed-by", BUILD.line, code=13)
    old = ("--signed-by", here.key("ada"), "--signed-at", "2020-01-01")
    assert "too old" in here.place.command(*ask, *old, code=13)
    assert here.key("ada") in here.place.command("edge-agent", "policy", "check", str(here.file))


@pytest.mark.parametrize(
    "options",
    [("--signed-by", "ed25519:x"), ("--signed-at", "2026-11-22"), ("--signed-by", BUILD.line, "--signed-at", "x")],
)
def test_explain_refuses_what_is_no_key_or_time(here: Signing, options: tuple[str, ...]) -> None:
    ask = ("edge-agent", "policy", "explain", "--file", str(here.file), "--dag", "x", "--task", "y")

    here.place.command(*ask, *options, code=2)


def test_what_is_not_signed_is_refused_there_and_runs_at_another_site(here: Signing, tmp_path: Path) -> None:
    here.trusts("ada")
    here.deploy("unsigned", source=ANYWHERE)
    run = here.place.trigger("unsigned")
    here.waits(run, "site north: refused by the site's policy: it is not signed")

    here.place.start_agent("plant-1", "--slots", "1")

    (task,) = here.place.finished(run)["tasks"]
    assert (task["state"], task["site"]) == ("success", "plant")
