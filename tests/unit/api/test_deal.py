"""Who gets a connection: the process that has the fewest."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from penstock.api.deal import Dealer, Hand

Pair = tuple[Dealer, Hand, list[socket.socket]]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """A dealer, one hand that has begun, and what it was dealt."""
    dealer, taken = Dealer(), list[socket.socket]()
    ours, theirs = socket.socketpair()
    hand = Hand(theirs)
    dealer.add(ours)
    hand.begin(taken.append, lambda: None)
    await asyncio.sleep(0.01)
    yield dealer, hand, taken
    dealer.remove(ours)
    for each in (ours, theirs, *taken):
        each.close()


async def test_a_connection_goes_to_who_has_no_more_and_is_the_same_connection(pair: Pair) -> None:
    dealer, _, taken = pair
    near, far = socket.socketpair()
    with near, far:
        assert [dealer.deal(near.fileno(), here=0), dealer.deal(near.fileno(), here=0)] == [True, False]
        await asyncio.sleep(0.01)
        [connection] = taken
        connection.send(b"the same")
        assert far.recv(8) == b"the same"


async def test_what_has_ended_does_not_count(pair: Pair) -> None:
    dealer, hand, _ = pair
    with socket.socket() as connection:
        assert dealer.deal(connection.fileno(), here=0)
        assert not dealer.deal(connection.fileno(), here=0)
        hand.ended()
        await asyncio.sleep(0.01)
        assert dealer.deal(connection.fileno(), here=0)


async def test_nothing_is_dealt_before_the_beginning_nor_after_the_end(pair: Pair) -> None:
    dealer, hand, _ = pair
    with socket.socket() as connection:
        hand.stop()
        assert not dealer.deal(connection.fileno(), here=5)
        late = Dealer()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            late.add(ours)
            assert not late.deal(connection.fileno(), here=5)
            late.remove(ours)


async def test_a_hand_hears_when_its_dealer_has_gone() -> None:
    gone = asyncio.Event()
    ours, theirs = socket.socketpair()
    with theirs:
        Hand(theirs).begin(lambda connection: None, gone.set)
        ours.close()
        await asyncio.wait_for(gone.wait(), 1)
