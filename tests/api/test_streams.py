"""Open streams: what may be sent on them, whichever process hears of a grant, and what ends them."""

from __future__ import annotations

import pytest

from leasehold_api.leases.streams import Streams
from leasehold_api.signals import Signal
from leasehold_protocol.v1.grants import StreamGrant
from tests.support.api_server import Api, EnrolledAgent


class Pair:
    """Two API processes that hear each other's signals."""

    def __init__(self) -> None:
        self.here = Streams(lambda signals: self._tell(self.there, signals))
        self.there = Streams(lambda signals: self._tell(self.here, signals))

    def _tell(self, whom: Streams, signals: list[Signal]) -> None:
        for signal in signals:
            whom.heard(signal.key)


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_grant_counts_whichever_process_it_reaches(pair: Pair, where: str) -> None:
    with pair.here.opened("agt_1", 7, free_slots=2, good_until=100.0) as stream:
        stream.sent = 2

        getattr(pair, where).grant("agt_1", StreamGrant(stream=7, number=1, granted=3), good_until=600.0)

        assert (stream.left, stream.good_until) == (1, 600.0)


def test_grants_that_are_late_or_doubled_or_of_another_stream_change_nothing(pair: Pair) -> None:
    with pair.here.opened("agt_1", 7, free_slots=1, good_until=100.0) as stream:
        for number, granted in ((2, 5), (1, 9), (2, 9)):
            pair.here.grant("agt_1", StreamGrant(stream=7, number=number, granted=granted), good_until=100.0)
        pair.here.grant("agt_1", StreamGrant(stream=6, number=3, granted=9), good_until=100.0)

        assert stream.granted == 5


def test_a_grant_can_be_lowered_below_what_was_sent(pair: Pair) -> None:
    with pair.here.opened("agt_1", 7, free_slots=4, good_until=100.0) as stream:
        stream.sent = 3
        pair.here.grant("agt_1", StreamGrant(stream=7, number=1, granted=2), good_until=100.0)

        assert stream.left == 0


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_later_stream_of_the_same_agent_ends_the_one_before_in_every_process(pair: Pair, where: str) -> None:
    with (
        pair.here.opened("agt_1", 7, free_slots=1, good_until=100.0) as first,
        pair.here.opened("agt_2", 1, free_slots=1, good_until=100.0) as others,
        getattr(pair, where).opened("agt_1", 8, free_slots=1, good_until=100.0) as second,
    ):
        assert (first.has_ended, others.has_ended, second.has_ended) == (True, False, False)


def test_an_agent_that_says_hello_has_no_stream(pair: Pair) -> None:
    with pair.here.opened("agt_1", 7, free_slots=1, good_until=100.0) as stream:
        pair.here.end("agt_1")

        assert stream.has_ended


async def test_only_admins_say_that_a_site_is_trusted(api: Api, north: EnrolledAgent) -> None:
    operator = await api.make_api_token("operator")

    refused = await api.as_person("POST", "/v1/teams/default/sites/north/trust", token=operator)
    trusted = await api.as_person("POST", "/v1/teams/default/sites/north/trust")
    untrusted = await api.as_person("POST", "/v1/teams/default/sites/north/untrust")

    assert refused.status_code == 403
    assert (trusted.json()["trusted"], untrusted.json()["trusted"]) == (True, False)
