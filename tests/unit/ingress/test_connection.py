"""When a connection reads and when it does not, without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

from penstock.formats.hl7v2 import wrap
from penstock.inbox import Accepted, Arrival
from penstock.ingress.connection import AT_ONCE, FRAMES_AT_ONCE, Connection, Limits, Open
from tests.ingress_door import adt, intake


class Wire(asyncio.Transport):
    """Records what a connection does to its transport."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.written: list[bytes] = []
        self.ended = ""

    def is_closing(self) -> bool:
        return bool(self.ended)

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


class Held:
    """An inbox that answers when it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def submit(self, arrival: Arrival) -> Accepted:
        await self.go.wait()
        return Accepted(1, "new", None)


def connected(inbox: Any, **limits: Any) -> tuple[Connection, Wire]:
    wire = Wire()
    connection = Connection(Open(intake(inbox), Limits(**limits)))
    connection.connection_made(wire)
    return connection, wire


async def test_while_its_answers_are_not_read_nothing_is_read_from_a_sender() -> None:
    connection, wire = connected(Held(), frame_s=1.0)
    connection.pause_writing()
    assert not wire.reading
    now = asyncio.get_running_loop().time()
    assert connection.overdue(now + 0.5) is None
    assert connection.overdue(now + 1.5) == "slow-reader"
    connection.resume_writing()
    assert wire.reading
    assert connection.overdue(now + 1.5) is None


async def test_a_sender_with_too_many_messages_under_way_is_not_read_from_until_some_are_answered() -> None:
    held = Held()
    connection, wire = connected(held)
    connection.data_received(b"".join(wrap(adt(number)) for number in range(AT_ONCE)))
    assert not wire.reading
    held.go.set()
    await asyncio.gather(*connection._shared.tasks)
    assert len(wire.written) == AT_ONCE
    assert wire.reading


async def test_answers_keep_the_order_of_the_messages_whichever_is_ready_first() -> None:
    class Reversed:
        def __init__(self) -> None:
            self.gates = {"M1": asyncio.Event(), "M2": asyncio.Event()}

        async def submit(self, arrival: Arrival) -> Accepted:
            await self.gates[arrival.control_id].wait()
            return Accepted(1, "new", None)

    inbox = Reversed()
    connection, wire = connected(inbox)
    connection.data_received(wrap(adt(1)) + wrap(adt(2)))
    inbox.gates["M2"].set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert wire.written == []
    inbox.gates["M1"].set()
    await asyncio.gather(*connection._shared.tasks)
    assert [b"M1" in wire.written[0], b"M2" in wire.written[1]] == [True, True]


async def test_a_sender_of_large_messages_has_few_of_them_under_way() -> None:
    held = Held()
    connection, wire = connected(held, max_bytes=1000)
    for number in range(20):
        if wire.reading:
            connection.data_received(wrap(adt(number, more="NTE|1||" + "x" * 400)))
    assert len(connection._shared.tasks) == 2
    held.go.set()
    await asyncio.gather(*connection._shared.tasks)
    assert wire.reading


async def test_unfinished_frames_of_all_connections_together_are_bounded() -> None:
    shared = Open(intake(Held()), Limits(max_bytes=1000))
    wires = []
    for _ in range(FRAMES_AT_ONCE + 2):
        connection, wire = Connection(shared), Wire()
        connection.connection_made(wire)
        connection.data_received(b"\x0b" + b"x" * 999)
        wires.append((connection, wire))
    assert sum(wire.ended == "aborted" for _, wire in wires) == 2
    for connection, _ in wires:
        connection.connection_lost(None)
    assert shared.unfinished == 0


async def test_a_frame_may_take_its_time_only_while_we_read() -> None:
    connection, _ = connected(Held(), frame_s=1.0)
    connection.data_received(b"\x0bMSH|")
    now = asyncio.get_running_loop().time()
    assert connection.overdue(now + 1.5) == "slow-frame"
    connection.pause_writing()
    connection.resume_writing()
    assert connection.overdue(asyncio.get_running_loop().time() + 0.9) is None


async def test_a_connection_that_waits_for_an_answer_is_not_idle() -> None:
    held = Held()
    connection, _ = connected(held, idle_s=1.0)
    now = asyncio.get_running_loop().time()
    assert connection.overdue(now + 2) == "idle"
    connection.data_received(wrap(adt(1)))
    assert connection.overdue(now + 2) is None
    held.go.set()


async def test_much_noise_ends_a_connection_and_little_does_not() -> None:
    connection, wire = connected(Held())
    connection.data_received(b"x" * 1000)
    assert not wire.ended
    connection.data_received(b"x" * 70_000)
    assert wire.ended == "aborted"


async def test_a_message_that_was_received_whole_is_recorded_although_its_sender_has_gone() -> None:
    held = Held()
    connection, wire = connected(held)
    connection.data_received(wrap(adt(1))[:-1])
    connection.connection_lost(None)
    shared = connection._shared
    assert len(shared.tasks) == 1
    held.go.set()
    await asyncio.gather(*shared.tasks)
    assert wire.written == []


async def test_stopping_closes_only_after_the_last_answer() -> None:
    held = Held()
    connection, wire = connected(held)
    connection.data_received(wrap(adt(1)))
    connection.stop()
    assert not wire.reading
    assert not wire.ended
    held.go.set()
    await asyncio.gather(*connection._shared.tasks)
    assert wire.ended == "closed"
    assert len(wire.written) == 1
