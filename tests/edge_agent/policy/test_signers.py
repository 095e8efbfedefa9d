"""Whose signed work a site lets run: the rules, the gate that asks them, and the files that say whose keys count."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.attempts.gate import Gate
from leasehold_agent.attempts.roster import Roster
from leasehold_agent.policy.file import PolicyFile
from leasehold_agent.policy.model import Policy
from leasehold_agent.policy.reading import parse_policy
from leasehold_agent.policy.rules import Asked, refusals
from leasehold_agent.policy.signers import SignedBy
from leasehold_protocol.v1.leases import EndingKind, Lease, RunFacts
from leasehold_protocol.v1.manifest import Manifest
from tests.support.signing import BUILD, PLANT, SIGNED_AT, STRANGER, proof_of

BUNDLE = "ab" * 32
MANIFEST = Manifest.model_validate(
    {
        "dag": "report",
        "bundle": BUNDLE,
        "tasks": [
            {"id": name, "work": {"kind": "python", "module": "report", "function": name}} for name in ("read", "store")
        ],
    }
)
SOON = SIGNED_AT + timedelta(hours=1)
POLICY = f"""\
version = 1
runtimes = ["python"]
teams = ["*"]
dags = ["*"]
[signers]
keys = ["{BUILD.line}", "{PLANT.line}"]
max_age = "30d"
"""


def lease(signature: str | None, **changes: Any) -> Lease:
    """Return a lease of the second task."""
    signed = None if signature is None else proof_of(MANIFEST, 1, signature)
    run = RunFacts(run="run-1", dag="report", dag_version=1, team="default", logical_date=SIGNED_AT)
    made = Lease(
        attempt="ti-1.1",
        task_instance="ti-1",
        epoch=1,
        try_number=1,
        length_s=300,
        run=run,
        task=MANIFEST.tasks[1],
        bundle=BUNDLE,
        signed=signed,
        task_token="token",
        task_token_expires_in_s=300,
    )
    return made.model_copy(update=changes)


def said(folder: Path, wanted: Lease, *, policy: str = POLICY, now: Any = SOON) -> str | None:
    """Return what the gate says to a lease; none when it lets it through."""
    file = folder / "policy.toml"
    file.write_text(policy)
    file.chmod(0o644)
    gate = Gate(PolicyFile(file), Roster(1))
    ending = gate.refuse(wanted, AttemptDirectory(folder / "ti-1.1"), now=now)
    if ending is None:
        return None
    assert ending.kind is EndingKind.REFUSED
    assert ending.refusal is not None
    return ending.message


@pytest.mark.parametrize("key", [BUILD, PLANT])
def test_what_a_known_key_signed_runs(tmp_path: Path, key: Any) -> None:
    assert said(tmp_path, lease(key.sign(MANIFEST))) is None


def test_what_is_not_signed_is_refused_and_the_author_is_told_how_to_sign(tmp_path: Path) -> None:
    reason = said(tmp_path, lease(None))

    assert reason is not None
    assert "it is not signed" in reason
    assert "leasehold deploy --sign" in reason


def test_a_strangers_signature_is_refused_by_the_name_of_its_key(tmp_path: Path) -> None:
    reason = said(tmp_path, lease(STRANGER.sign(MANIFEST)))

    assert reason is not None
    assert f"signed by the key {STRANGER.line}, which this site does not know" in reason


def test_a_stranger_who_names_a_known_key_is_refused(tmp_path: Path) -> None:
    reason = said(tmp_path, lease(STRANGER.sign(MANIFEST, named=BUILD.line)))

    assert reason is not None
    assert "does not fit: the key that it names did not make it" in reason


READ, STORE = MANIFEST.tasks
FACTS = lease(None).run


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"task": STORE.model_copy(update={"variables": ["secrets/all"]})}, "the task store was changed"),
        ({"task": READ}, "the task read was changed"),
        ({"bundle": "cd" * 32}, "the bundle was changed"),
        ({"bundle": None}, "the bundle was changed"),
        ({"run": FACTS.model_copy(update={"dag": "other"})}, "the DAG was changed"),
        ({"run": FACTS.model_copy(update={"team": "other"})}, "the team was changed"),
        ({"bundle": None, "task": READ}, "the bundle and the task read were changed"),
    ],
)
def test_what_was_changed_after_signing_is_refused_and_named(tmp_path: Path, change: Any, part: str) -> None:
    reason = said(tmp_path, lease(BUILD.sign(MANIFEST), **change))

    assert reason is not None
    assert f"its signature does not fit: {part} after signing" in reason


def test_the_proof_of_one_task_is_none_of_another(tmp_path: Path) -> None:
    wanted = lease(None, signed=proof_of(MANIFEST, 0, BUILD.sign(MANIFEST)))

    assert "the task store was changed" in (said(tmp_path, wanted) or "")


def test_garbage_in_place_of_a_signature_is_refused(tmp_path: Path) -> None:
    assert "its signature does not fit: it can't be read" in (said(tmp_path, lease("a.b.c")) or "")


def test_an_old_signature_is_refused_and_a_younger_one_is_not(tmp_path: Path) -> None:
    month = timedelta(days=30)

    assert said(tmp_path, lease(BUILD.sign(MANIFEST)), now=SIGNED_AT + month) is None
    reason = said(tmp_path, lease(BUILD.sign(MANIFEST)), now=SIGNED_AT + month + timedelta(seconds=1))
    assert reason is not None
    assert "too old: of 2026-11-22 12:00 UTC, and this site takes 30d at most" in reason


def test_after_its_signers_own_end_nothing_starts(tmp_path: Path) -> None:
    signature = BUILD.sign(MANIFEST, not_after=SOON)

    assert said(tmp_path, lease(signature), now=SOON) is None
    reason = said(tmp_path, lease(signature), now=SOON + timedelta(seconds=1))
    assert reason is not None
    assert "to start after 2026-11-22 13:00 UTC" in reason


@pytest.mark.parametrize("about", ['dags = ["sensor_*"]', 'teams = ["plant"]'])
def test_what_the_signers_are_not_about_needs_no_signature(tmp_path: Path, about: str) -> None:
    assert said(tmp_path, lease(None), policy=POLICY + about) is None


def test_where_signatures_are_not_required_a_wrong_one_is_still_refused(tmp_path: Path) -> None:
    policy = POLICY + "required = false\n"

    assert said(tmp_path, lease(None), policy=policy) is None
    assert said(tmp_path, lease(STRANGER.sign(MANIFEST)), policy=policy) is not None
    assert said(tmp_path, lease(BUILD.sign(MANIFEST), bundle=None), policy=policy) is not None


def test_without_keys_nothing_that_the_signers_are_about_runs(tmp_path: Path) -> None:
    policy = 'version = 1\nruntimes = ["python"]\nteams = ["*"]\ndags = ["*"]\n[signers]\n'

    assert said(tmp_path, lease(BUILD.sign(MANIFEST)), policy=policy) is not None
    assert "[signers] has no keys: nothing that it is about can run" in parse_policy(policy).doubts


def test_without_signers_nobody_looks_at_signatures(tmp_path: Path) -> None:
    policy = POLICY.partition("[signers]")[0]

    assert said(tmp_path, lease(STRANGER.sign(MANIFEST), bundle=None), policy=policy) is None


def test_who_does_not_say_when_gets_the_strictest_answer() -> None:
    policy = parse_policy(POLICY).policy
    assert isinstance(policy, Policy)
    by = SignedBy(key=BUILD.line, signed_at=SIGNED_AT)

    assert "too old" in refusals(policy, Asked(team="t", dag="d", task="a", runtime="python", signed=by))[0]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('keys = ["ed25519:short"]', "line 6: signers.keys: a signing key is ed25519: and 43 characters"),
        ('keys = ["ssh-ed25519 AAAA"]', "line 6: signers.keys: a signing key is ed25519:"),
        ('key = ["x"]', "line 6: there is no signers.key; did you mean keys?"),
        ('jwks = "signers.json"', "line 6: signers.jwks: 'signers.json' is not absolute"),
        ('max_age = "1s"', "line 6: signers.max_age = '1s': Input should be greater than or equal to 60"),
        ('required = "yes"', "line 6: signers.required = 'yes'"),
        ('dags = ["a b"]', "line 6: signers.dags: 'a b' can never fit"),
    ],
)
def test_mistakes_are_named_with_their_line(line: str, part: str) -> None:
    text = f'version = 1\nruntimes = ["python"]\nteams = ["*"]\ndags = ["*"]\n[signers]\n{line}\n'

    (mistake,) = map(str, parse_policy(text).mistakes)

    assert mistake.startswith(part)
