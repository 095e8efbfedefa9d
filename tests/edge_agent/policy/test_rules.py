"""What a policy lets run, and what it says to the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leasehold_agent.host.allowed import ProgramRule, program_refusal
from leasehold_agent.host.patterns import matches
from leasehold_agent.policy.model import Policy
from leasehold_agent.policy.rules import Asked, refusals

POLICY = Policy.model_validate(
    {
        "version": 1,
        "runtimes": ["program"],
        "teams": ["default"],
        "dags": ["sensor_*"],
        "connections": ["plant_db"],
        "variables": ["limits/*"],
        "programs": [{"path": "/usr/bin/rsync", "args": [["-a", "/data/*"]], "env": ["RSYNC_*"]}],
        "limits": {"timeout": "1h", "max_offline": "10m"},
    }
)
BACKUP = Asked(
    team="default",
    dag="sensor_report",
    task="copy",
    runtime="program",
    connections=["plant_db"],
    variables=["limits/upper"],
    program=["/usr/bin/rsync", "-a", "/data/today"],
)


def test_what_the_policy_names_may_run() -> None:
    assert refusals(POLICY, BACKUP) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"runtime": "python", "program": None}, "python tasks are not allowed"),
        ({"team": "other"}, "the team other is not allowed"),
        ({"dag": "report"}, "the DAG report is not allowed"),
        ({"connections": ["plant_db", "hr_db"]}, "the connection hr_db is not allowed"),
        ({"variables": ["limits/a/b"]}, "the variable limits/a/b is not allowed"),
        ({"program": ["/usr/bin/rm", "-rf", "/"]}, "the program /usr/bin/rm is not among the programs it allows"),
        (
            {"program": ["/usr/bin/rsync", "-e", "sh"]},
            "the program /usr/bin/rsync is allowed, but not with these arguments",
        ),
        (
            {"sets": ["LD_PRELOAD"]},
            "the program /usr/bin/rsync is allowed, but not with the variables LD_PRELOAD",
        ),
        ({"timeout_s": 7200.0}, "its timeout of 2h is over the longest allowed, 1h"),
        ({"max_offline_s": 3600.0}, "its max_offline of 1h is over the longest allowed, 10m"),
    ],
)
def test_what_it_does_not_name_is_refused_with_the_reason(change: dict[str, object], reason: str) -> None:
    assert refusals(POLICY, replace(BACKUP, **change)) == [reason]  # type: ignore[arg-type]


def test_all_reasons_are_given_at_once() -> None:
    assert len(refusals(POLICY, replace(BACKUP, team="x", dag="y", connections=["z"]))) == 3


def test_a_policy_of_its_version_alone_lets_nothing_run() -> None:
    assert refusals(Policy(version=1), BACKUP)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("/data/*", "/data/today", True),
        ("/data/*", "/data/a/b", False),
        ("/data/**", "/data/a/b", True),
        ("/data/**", "/data/../etc/passwd", False),
        ("/data/*", "/data/..", False),
        ("--file=/data/**", "--file=/data/../x", False),
        ("**", "../anything", True),
        ("/data/../x", "/data/../x", True),
        ("?b", "ab", True),
        ("?b", "/b", False),
        ("a*", "a", True),
        ("a*b*c", "axxbyyc", True),
        ("a*b*c", "axxbyy", False),
        ("[a]", "a", False),
        ("**", "a\nb", True),
        ("a*", "a\nb", True),
        ("sensor_*", "Sensor_x", False),
        ("v1..v2", "v1..v2", True),
        ("v*", "v1..v2", True),
    ],
)
def test_patterns(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits


def test_a_pattern_takes_no_longer_for_a_text_made_to_be_slow() -> None:
    assert not matches("*a" * 20 + "b", "a" * 5000)


def test_a_rule_without_arguments_allows_any_and_an_empty_list_none() -> None:
    any_arguments, none = ProgramRule(path="/bin/df"), ProgramRule(path="/bin/df", args=((),))

    assert program_refusal([any_arguments], "/bin/df", ["-h", "/"], []) is None
    assert program_refusal([none], "/bin/df", [], []) is None
    assert program_refusal([none], "/bin/df", ["-h"], []) is not None


def test_three_dots_stand_for_any_further_arguments() -> None:
    rule = ProgramRule(path="/bin/df", args=(("-h", "..."),))

    assert program_refusal([rule], "/bin/df", ["-h"], []) is None
    assert program_refusal([rule], "/bin/df", ["-h", "a", "b"], []) is None
    assert program_refusal([rule], "/bin/df", ["-i"], []) is not None


@pytest.mark.parametrize(
    ("image", "reasons"),
    [
        ("r.example.com/tools/ffmpeg@sha256:0a", []),
        ("r.example.com/tools/ffmpeg:7", ["the image r.example.com/tools/ffmpeg:7 is not allowed"]),
        ("r.example.com/tools/deep/x@sha256:0a", ["the image r.example.com/tools/deep/x@sha256:0a is not allowed"]),
        ("alpine", ["the image alpine is not allowed"]),
    ],
)
def test_an_image_has_to_be_named_as_authors_write_it(image: str, reasons: list[str]) -> None:
    policy = POLICY.model_copy(update={"runtimes": ["container"], "images": ["r.example.com/tools/*@sha256:*"]})

    assert refusals(policy, replace(BACKUP, runtime="container", program=None, image=image)) == reasons


def test_no_image_runs_where_containers_are_not_allowed() -> None:
    policy = POLICY.model_copy(update={"images": ["**"]})

    assert refusals(policy, replace(BACKUP, runtime="container", program=None, image="alpine")) == [
        "container tasks are not allowed"
    ]
