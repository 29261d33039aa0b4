"""The body of a version: canonical JSON bytes, and how they lie in the database.

A body begins ``{"resourceType":…,"id":…,"meta":{"versionId":…,"lastUpdated":…``: those are spliced into the canonical encoding as
bytes, so that two versions are the same content exactly when the bytes of one, spliced with the other's version, are equal.
In the database two bytes stand in front: the codec and the number of the dictionary.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

import zstandard

from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.store.change import Resource
from penstock.store.rid import instant

_PLAIN, _ZSTD = 0, 1
_LEVEL = 3
_STAMPED = frozenset(("versionId", "_versionId", "lastUpdated", "_lastUpdated"))
_META = b',"meta":{'


def skeleton(resource: Resource, id: str) -> bytes:
    """Canonical bytes of the resource under its id, without ``meta.versionId`` and ``meta.lastUpdated``."""
    bare = {**resource, "id": id}
    meta = bare.pop("meta", None)
    if "_id" in bare or not (meta is None or isinstance(meta, dict)):
        raise Problem("structure", "the id of a resource has no extensions, and its meta is one object", at="Resource.meta")
    kept = {name: value for name, value in (meta or {}).items() if name not in _STAMPED}
    if kept:
        bare["meta"] = kept
    return json.encode(bare)


def splice(skeleton: bytes, type: str, id: str, ver: int, rid: int) -> bytes:
    """The body of version ``ver``: the skeleton with its version and time put in."""
    at = len(f'{{"resourceType":"{type}","id":"{id}"')
    stamp = f',"meta":{{"versionId":"{ver}","lastUpdated":"{instant(rid)}"'.encode()
    if skeleton.startswith(_META, at):
        return skeleton[:at] + stamp + b"," + skeleton[at + len(_META) :]
    return skeleton[:at] + stamp + b"}" + skeleton[at:]


class Bodies:
    """Packs and unpacks bodies with the dictionaries of the database; writes use the one that ships with the program."""

    def __init__(self) -> None:
        self._shipped = files("penstock.store").joinpath("dictionary.zdict").read_bytes()
        self._readers: dict[int, zstandard.ZstdDecompressor] = {}
        self._writer: tuple[bytes, zstandard.ZstdCompressor] | None = None

    async def ready(self, database: Database) -> None:
        """Load every dictionary, and register the shipped one where it is new, committed before any body needs it. Once a process."""
        if self._writer is not None:
            return
        digest = hashlib.sha256(self._shipped).digest()
        async with database.transaction() as tx:
            await tx.execute("select pg_advisory_xact_lock(hashtext('penstock.store.dictionary'))")
            await tx.execute(
                "insert into store_dictionary (id, digest, content) select coalesce(max(id), 0) + 1, $1, $2 from store_dictionary"
                " on conflict (digest) do nothing",
                digest, self._shipped,
            )  # fmt: skip
            await self.load(tx)
            number = await tx.fetchval("select id from store_dictionary where digest = $1", digest)
        packer = zstandard.ZstdCompressor(
            level=_LEVEL, dict_data=zstandard.ZstdCompressionDict(self._shipped), write_dict_id=False, write_checksum=False
        )
        self._writer = bytes((_ZSTD, number)), packer

    async def load(self, tx: Tx) -> None:
        """Read the dictionaries that this process does not know yet; another process may have added one."""
        for row in await tx.fetch("select id, content from store_dictionary where not id = any($1::int2[])", list(self._readers)):
            self._readers[row["id"]] = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(row["content"]))

    def pack(self, body: bytes) -> bytes:
        """What is stored for a body."""
        assert self._writer is not None, "ready() comes first"
        front, packer = self._writer
        return front + packer.compress(body)

    def knows(self, content: bytes) -> bool:
        """Whether :meth:`unpack` has the dictionary; if not, :meth:`load` brings it."""
        return content[0] == _PLAIN or content[1] in self._readers

    def unpack(self, content: bytes) -> bytes:
        """The body that was stored."""
        if content[0] == _PLAIN:
            return content[2:]
        if content[0] != _ZSTD or content[1] not in self._readers:
            raise Problem("exception", "a stored body uses a codec or a dictionary that this program does not have")
        return self._readers[content[1]].decompress(memoryview(content)[2:])
