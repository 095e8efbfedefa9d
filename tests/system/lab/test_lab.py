"""A few seeds of the laboratory on each database; ``make chaos SEEDS=200`` runs many."""

from __future__ import annotations

import pytest

from tests.system.lab.checker import check
from tests.system.lab.laboratory import open_laboratory
from tests.system.lab.plan import plan

SEEDS = (11, 12)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("database", "link"), [("sqlite", "pull"), ("sqlite", "push"), ("postgresql", "push")])
def test_nothing_is_lost_or_doubled_whatever_breaks(
    database: str, link: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with open_laboratory(tmp_path_factory.mktemp("lab"), database=database, link=link) as laboratory:
        laboratory.open()
        for seed in SEEDS:
            print(f"again: SEED={seed} make chaos SEEDS=1")

            history = laboratory.experiment(plan(seed))

            assert check(history) == [], [str(fault) for fault in plan(seed).faults]
