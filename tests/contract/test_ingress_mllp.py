"""The MLLP listener over real sockets into a real inbox: what is acknowledged is stored, and nothing else is."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from prometheus_client import REGISTRY

from penstock.db import Database
from penstock.errors import Problem
from penstock.formats.hl7v2 import parse, wrap
from penstock.inbox import Accepted, Arrival, Receiver, bury, done
from penstock.ingress import MLLP, Interface, Settling
from penstock.ingress.mllp import address, tls_context
from tests.ingress_door import adt, client, door, settings, stored, told


@pytest.fixture
async def inbox(database: Database) -> AsyncIterator[Receiver]:
    async with Receiver(database) as receiver:
        yield receiver


def closed(reason: str) -> float:
    """How many connections were closed for that reason, as an operator sees it."""
    return REGISTRY.get_sample_value("penstock_ingress_closed_total", {"interface": "mllp", "reason": reason}) or 0.0


async def eventually(condition: object, timeout_s: float = 5.0) -> None:
    ends = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends, "it did not happen"
        await asyncio.sleep(0.01)


@pytest.mark.req("V2-02")
async def test_a_message_is_stored_when_it_is_acknowledged(inbox: Receiver, database: Database) -> None:
    async with door(inbox) as mllp, client(mllp) as sender:
        assert await sender.ask(adt(1)) == ("AA", "M1")
        assert await stored(database) == [("M1", "ready")]


@pytest.mark.req("V2-01")
async def test_pipelined_messages_are_answered_one_by_one_in_order(inbox: Receiver, database: Database) -> None:
    async with door(inbox) as mllp, client(mllp) as sender:
        sender.send(b"".join(wrap(adt(number)) for number in range(1000)))
        answers = [told(await sender.answer()) for _ in range(1000)]
    assert answers == [("AA", f"M{number}") for number in range(1000)]
    assert [name for name, _ in await stored(database)] == [f"M{number}" for number in range(1000)]


@pytest.mark.req("V2-01")
async def test_a_message_may_come_byte_by_byte_and_with_noise_around_it(inbox: Receiver) -> None:
    async with door(inbox) as mllp, client(mllp) as sender:
        for byte in b"noise\r\n" + wrap(adt(1)) + b"\r\n" + wrap(adt(2)):
            sender.send(bytes([byte]))
            await asyncio.sleep(0)
        assert [told(await sender.answer()) for _ in range(2)] == [("AA", "M1"), ("AA", "M2")]


async def test_a_sender_that_cuts_at_any_byte_leaves_nothing_behind(inbox: Receiver, database: Database) -> None:
    frame = wrap(adt(1))
    async with door(inbox) as mllp:
        for length in range(len(frame) - 1):  # without its carriage return a frame is complete
            _, writer = await asyncio.open_connection("127.0.0.1", mllp.port)
            writer.write(frame[:length])
            writer.close()
        await eventually(lambda: mllp.connections == 0)
        async with client(mllp) as sender:
            assert await sender.ask(adt(2)) == ("AA", "M2")
    assert await stored(database) == [("M2", "ready")]


async def test_a_sender_that_leaves_before_its_answer_gets_the_same_one_later(inbox: Receiver, database: Database) -> None:
    async with door(inbox) as mllp:
        async with client(mllp) as sender:
            sender.send(wrap(adt(1)))
            await sender.writer.drain()
        await eventually(lambda: mllp.connections == 0)
        answers = []
        for _ in range(2):
            async with client(mllp) as sender:
                sender.send(wrap(adt(1)))
                answers.append(parse(await sender.answer() or b""))
    assert [answer.get("MSA-1") for answer in answers] == ["AA", "AA"]
    assert len({answer.get("MSH-10") for answer in answers}) == 1
    assert await stored(database) == [("M1", "ready")]


async def test_an_end_block_without_its_carriage_return_is_enough_when_nothing_follows(inbox: Receiver) -> None:
    async with door(inbox) as mllp, client(mllp) as sender:
        sender.send(wrap(adt(1))[:-1])
        assert told(await sender.answer()) == ("AA", "M1")
        sender.send(b"\r" + wrap(adt(2)))
        assert told(await sender.answer()) == ("AA", "M2")


async def test_a_sender_that_half_closes_still_gets_its_answers(inbox: Receiver) -> None:
    async with door(inbox) as mllp, client(mllp) as sender:
        sender.send(wrap(adt(1)) + wrap(adt(2)))
        sender.writer.write_eof()
        assert [told(await sender.answer()) for _ in range(2)] == [("AA", "M1"), ("AA", "M2")]
        assert await sender.answer() is None


@pytest.mark.req("V2-01")
async def test_an_oversized_message_is_rejected_and_the_next_one_is_taken(inbox: Receiver, database: Database) -> None:
    async with door(inbox, limits={"max_bytes": 2000}) as mllp, client(mllp) as sender:
        sender.send(wrap(adt(1, more="NTE|1||" + "x" * 100_000)) + wrap(adt(2)))
        assert [told(await sender.answer()) for _ in range(2)] == [("AR", "M1"), ("AA", "M2")]
    assert await stored(database) == [("M1", "quarantined"), ("M2", "ready")]


async def test_a_frame_without_end_is_rejected_and_never_joined_with_the_next(inbox: Receiver, database: Database) -> None:
    async with door(inbox) as mllp, client(mllp) as sender:
        sender.send(b"\x0b" + adt(1) + wrap(adt(2)))
        assert [told(await sender.answer()) for _ in range(2)] == [("AR", "M1"), ("AA", "M2")]
    assert await stored(database) == [("M1", "quarantined"), ("M2", "ready")]


@pytest.mark.req("V2-03")
@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"hello", "AR"),
        (b"", "AR"),
        (b"MSH|^~\\&|A|B|||||ADT^A01||P|2.5\r", "AR"),
        (b"MSH|^~\\&|A|B|||||ADT^A01|1|P|7.5\r", "AR"),
        (b"MSH|^~\\&|A|B||||||1|P|2.5\r", "AR"),
        (adt(1, head="|P|2.5||||||ASCII").replace(b"Ada", b"\xc3\x84da"), "AR"),
        (adt(1).replace(b"Testfall", b"Test\rfall"), "AE"),
        (adt(1).decode().encode("utf-16"), "AR"),
        (b"MSH|^~\\&|A|B|||||ZZZ^Z99|1|P|2.5\r", "AE"),
    ],
)
async def test_what_cannot_be_processed_is_kept_and_never_answered_aa(
    inbox: Receiver, database: Database, message: bytes, code: str
) -> None:
    def check(header: object, _: object) -> Problem | None:
        return Problem("not-supported", "no table maps this", at="MSH-9") if getattr(header, "type", "") == "ZZZ" else None

    async with door(inbox, check=check) as mllp, client(mllp) as sender:
        sender.send(wrap(message))
        assert told(await sender.answer())[0] == code
        sender.send(wrap(message))
        assert told(await sender.answer())[0] == code
    async with database.connection() as tx:
        (row,) = await tx.fetch("select state, raw from inbox join inbox_body using (id)")
    assert (row["state"], row["raw"]) == ("quarantined", message)


async def test_where_the_interface_says_so_an_unmapped_message_is_accepted_and_kept(inbox: Receiver, database: Database) -> None:
    def check(*_: object) -> Problem:
        return Problem("not-supported", "no table maps this", at="MSH-9")

    async with door(inbox, Interface(name="mllp", unmappable="accept"), check=check) as mllp, client(mllp) as sender:
        sender.send(wrap(adt(1)))
        answer = await sender.answer() or b""
        assert told(answer) == ("AA", "M1")
        assert b"ERR" not in answer
    assert await stored(database) == [("M1", "quarantined")]


async def test_a_slow_frame_is_cut_and_other_senders_do_not_notice(inbox: Receiver) -> None:
    before = closed("slow-frame")
    async with door(inbox, limits={"frame_s": 0.3}) as mllp, client(mllp) as slow, client(mllp) as quick:
        slow.send(b"\x0bMSH|")
        started = time.monotonic()
        while time.monotonic() - started < 5 and not slow.reader.at_eof():
            slow.send(b"x")
            assert (await quick.ask(adt(time.monotonic_ns())))[0] == "AA"
            await asyncio.sleep(0.05)
        assert await slow.answer() is None
        assert mllp.connections == 1
    assert closed("slow-frame") == before + 1


async def test_a_peer_that_does_not_speak_mllp_is_cut(inbox: Receiver) -> None:
    async with door(inbox, limits={"frame_s": 0.3}) as mllp, client(mllp) as browser:
        browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await browser.answer() is None


async def test_an_idle_connection_is_closed(inbox: Receiver) -> None:
    async with door(inbox, limits={"idle_s": 0.2}) as mllp, client(mllp) as sender:
        assert await sender.ask(adt(1)) == ("AA", "M1")
        assert await sender.answer() is None


async def test_no_more_connections_than_allowed(inbox: Receiver) -> None:
    async with door(inbox, limits={"max_connections": 2}) as mllp, client(mllp) as one, client(mllp) as two:
        assert await one.ask(adt(1)) == ("AA", "M1")
        assert await two.ask(adt(2)) == ("AA", "M2")
        async with client(mllp) as three:
            assert await three.answer() is None
        assert await one.ask(adt(3)) == ("AA", "M3")


@pytest.mark.req("V2-01")
async def test_many_connections_at_once_each_get_their_own_answers(inbox: Receiver, database: Database) -> None:
    async def send(number: int) -> list[tuple[str, str]]:
        async with client(mllp) as sender:
            return [await sender.ask(adt(f"{number}-{each}", patient=str(number))) for each in range(5)]

    async with door(inbox) as mllp:
        answers = await asyncio.gather(*map(send, range(100)))
    assert answers == [[("AA", f"M{number}-{each}") for each in range(5)] for number in range(100)]
    assert len(await stored(database)) == 500


async def test_two_connections_that_race_with_one_message_store_it_once(inbox: Receiver, database: Database) -> None:
    async with door(inbox) as mllp, client(mllp) as one, client(mllp) as two:
        for number in range(20):
            assert await asyncio.gather(one.ask(adt(number)), two.ask(adt(number))) == [("AA", f"M{number}")] * 2
    assert len(await stored(database)) == 20


async def test_the_rate_of_a_connection_is_held_without_refusing_anything(inbox: Receiver) -> None:
    async with door(inbox, limits={"rate": 20.0}) as mllp, client(mllp) as sender:
        started = time.monotonic()
        for number in range(30):
            assert await sender.ask(adt(number)) == ("AA", f"M{number}")
        assert 0.3 < time.monotonic() - started < 5


async def test_a_sender_that_reads_no_answers_is_cut() -> None:
    class Quick:
        async def submit(self, arrival: Arrival) -> Accepted:
            return Accepted(1, "new", None)

    async with door(Quick(), limits={"frame_s": 0.3}) as mllp:
        with socket.create_connection(("127.0.0.1", mllp.port)) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            deaf.setblocking(False)
            loop, frames = asyncio.get_running_loop(), wrap(b"no message") * 1000

            async def flood() -> None:
                while True:
                    await loop.sock_sendall(deaf, frames)

            flooding = asyncio.create_task(flood())
            await eventually(lambda: mllp.connections == 1)
            await eventually(lambda: mllp.connections == 0, 20)
            flooding.cancel()
            await asyncio.wait([flooding])


@pytest.mark.req("V2-02")
async def test_stopping_answers_everything_that_was_received_and_loses_nothing(inbox: Receiver, database: Database) -> None:
    class Slow:
        async def submit(self, arrival: Arrival) -> Accepted:
            await asyncio.sleep(0.2)
            return await inbox.submit(arrival)

    async with door(Slow()) as mllp, client(mllp) as sender:
        async with asyncio.timeout(10):
            sender.send(b"".join(wrap(adt(number)) for number in range(50)) + b"\x0bMSH|half")
            await asyncio.sleep(0.1)
            await mllp.__aexit__(None, None, None)
            answers = [told(await sender.answer()) for _ in range(50)]
            assert await sender.answer() is None
    assert answers == [("AA", f"M{number}") for number in range(50)]
    assert len(await stored(database)) == 50


@pytest.mark.req("V2-02")
async def test_an_inbox_that_does_not_answer_is_an_error_and_never_aa() -> None:
    class Broken:
        error: Exception | None = Problem("transient", "the database cannot be reached")

        async def submit(self, arrival: Arrival) -> Accepted:
            if self.error is None:
                await asyncio.sleep(60)
                raise AssertionError
            raise self.error

    broken = Broken()
    async with door(broken, timeout_s=0.2) as mllp, client(mllp) as sender:
        assert await sender.ask(adt(1)) == ("AE", "M1")
        broken.error = RuntimeError("a defect with a name in it")
        sender.send(wrap(adt(2, head="|P|2.5|||AL|NE")))
        answer = await sender.answer() or b""
        assert told(answer) == ("CE", "M2")
        assert b"a defect" not in answer
        broken.error = None
        assert await sender.ask(adt(3)) == ("AE", "M3")
        broken.error = Problem("invalid", "the database does not take this")
        assert await sender.ask(adt(4)) == ("AE", "M4")


async def test_a_message_that_asks_for_no_answer_gets_none(inbox: Receiver, database: Database) -> None:
    async with door(inbox) as mllp, client(mllp) as sender:
        sender.send(wrap(adt(1, head="|P|2.5|||NE|NE")) + wrap(adt(2, head="|P|2.5|||AL|NE")))
        assert told(await sender.answer()) == ("CA", "M2")
    assert len(await stored(database)) == 2


@pytest.mark.req("V2-18")
async def test_a_batch_in_a_frame_is_answered_as_a_batch(inbox: Receiver, database: Database) -> None:
    batch = b"FHS|^~\\&\rBHS|^~\\&\r" + adt(1) + b"PID|lost\r".replace(b"PID", b"MSH") + adt(2) + b"BTS|3\rFTS|1\r"
    async with door(inbox) as mllp, client(mllp) as sender:
        sender.send(wrap(batch))
        answer = (await sender.answer() or b"").decode()
    assert [line for line in answer.split("\r") if line[:3] in ("FHS", "BHS", "MSA", "BTS", "FTS")] == [
        "FHS|^~\\&", "BHS|^~\\&", "MSA|AA|M1", "MSA|AR|", "MSA|AA|M2", "BTS|3", "FTS|1",
    ]  # fmt: skip
    assert [state for _, state in await stored(database)] == ["ready", "quarantined", "ready"]


async def test_an_acknowledgement_can_wait_until_the_message_is_processed(inbox: Receiver, database: Database) -> None:
    async def work() -> None:
        await eventually(lambda: asking.done() or True)
        for _ in range(100):
            async with database.transaction() as tx:
                for row in await tx.fetch("select id, control_id from inbox where state = 'ready'"):
                    if row["control_id"] == "M1":
                        await done(tx, [(row["id"], "stored", None)])
                    else:
                        await bury(tx, row["id"], Problem("required", "the patient has no identifier", at="PID-3"))
            await asyncio.sleep(0.02)

    interface = Interface(name="mllp", ack="processed")
    async with door(inbox, interface, settled=Settling(database)) as mllp, client(mllp) as sender:
        working = asyncio.create_task(work())
        asking = asyncio.create_task(sender.ask(adt(1)))
        assert await asking == ("AA", "M1")
        sender.send(wrap(adt(2)))
        answer = await sender.answer() or b""
        assert told(answer) == ("AE", "M2")
        assert parse(answer).get("ERR-2") == "PID"
        working.cancel()


async def test_processing_that_takes_too_long_is_an_error_answer(inbox: Receiver, database: Database) -> None:
    settling = Settling(database)
    async with (
        door(inbox, Interface(name="mllp", ack="processed"), settled=settling, timeout_s=0.3) as mllp,
        client(mllp) as sender,
    ):
        assert await sender.ask(adt(1)) == ("AE", "M1")
    assert settling._waiting == {}
    assert await stored(database) == [("M1", "ready")]


async def test_a_sender_that_the_interface_does_not_know_is_refused(inbox: Receiver, database: Database) -> None:
    interface = Interface(name="mllp", facilities=frozenset({"FAC"}), processing_ids=frozenset({"P"}))
    async with door(inbox, interface) as mllp, client(mllp) as sender:
        assert await sender.ask(adt(1)) == ("AA", "M1")
        assert await sender.ask(adt(2).replace(b"FAC", b"EVIL")) == ("AR", "M2")
        assert await sender.ask(adt(3, head="|T|2.5")) == ("AR", "M3")
    assert [state for _, state in await stored(database)] == ["ready", "quarantined", "quarantined"]


# TLS


class Certificates:
    """An authority, a server certificate, and client contexts."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.other = trustme.CA(), trustme.CA()
        server = self.ca.issue_cert("localhost")
        self.cert, self.key, self.authorities = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
        self.cert.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
        server.private_key_pem.write_to_path(str(self.key))
        self.ca.cert_pem.write_to_path(str(self.authorities))

    def client(self, issuer: trustme.CA | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if issuer is not None:
            issuer.issue_cert("sender@localhost").configure_cert(context)
        return context


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.mark.req("V2-01")
async def test_the_listener_speaks_tls_and_cuts_those_who_do_not(inbox: Receiver, certificates: Certificates) -> None:
    limits = {"tls_cert": certificates.cert, "tls_key": certificates.key}
    async with door(inbox, limits=limits) as mllp:
        async with client(mllp, certificates.client()) as sender:
            assert await sender.ask(adt(1)) == ("AA", "M1")
            mllp.reload_tls()
            assert await sender.ask(adt(2)) == ("AA", "M2")
        async with client(mllp) as plain:
            plain.send(wrap(adt(3)))
            assert await plain.answer() is None
        await eventually(lambda: mllp.connections == 0)


async def test_with_mutual_tls_only_certificates_of_the_authority_get_in(
    inbox: Receiver, database: Database, certificates: Certificates
) -> None:
    limits = {"tls_cert": certificates.cert, "tls_key": certificates.key, "tls_client_ca": certificates.authorities}
    async with door(inbox, limits=limits) as mllp:
        async with client(mllp, certificates.client(certificates.ca)) as sender:
            assert await sender.ask(adt(1)) == ("AA", "M1")
        for issuer in (None, certificates.other):
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                async with client(mllp, certificates.client(issuer)) as stranger:
                    await stranger.ask(adt(2))
    assert await stored(database) == [("M1", "ready")]


async def test_old_versions_of_tls_are_refused(inbox: Receiver, certificates: Certificates) -> None:
    context = certificates.client()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    limits = {"tls_cert": certificates.cert, "tls_key": certificates.key}
    async with door(inbox, limits=limits) as mllp:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with client(mllp, context):
                pass


def test_tls_files_that_cannot_be_read_refuse_to_start(tmp_path: Path) -> None:
    for limits in ({"tls_cert": tmp_path / "none.pem"}, {"tls_key": tmp_path / "none.pem"}):
        with pytest.raises(Problem):
            tls_context(settings(**limits))
    assert tls_context(settings()) is None


@pytest.mark.parametrize(("text", "found"), [("127.0.0.1:2575", ("127.0.0.1", 2575)), ("[::1]:1", ("::1", 1)), (":5", ("", 5))])
def test_an_address_is_host_and_port(text: str, found: tuple[str, int]) -> None:
    assert address(text) == found
    for wrong in ("localhost", "x:y", "x:70000"):
        with pytest.raises(Problem):
            address(wrong)


def test_the_default_interface_has_a_name_that_never_changes() -> None:
    assert Interface(name="mllp") == MLLP
