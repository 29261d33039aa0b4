"""64-bit hashes that stand for identities and search values in the database. The tenant is part of every one."""

from __future__ import annotations

from functools import lru_cache

from xxhash import xxh3_64_intdigest, xxh32_intdigest

_UNIT = "\x1f"


def h64(text: str) -> int:
    """xxh3 of ``text`` as PostgreSQL's signed int8."""
    number = xxh3_64_intdigest(text)
    return number - 0x1_0000_0000_0000_0000 if number >> 63 else number


def h32(text: str) -> int:
    """xxh32 of ``text`` as PostgreSQL's signed int4."""
    number = xxh32_intdigest(text)
    return number - 0x1_0000_0000 if number >> 31 else number


@lru_cache(maxsize=1024)
def tenant_number(tenant: str) -> int:
    """The tenant as the int4 that every row carries, for scans that no hash restricts."""
    return h32(tenant)


def self_hash(tenant: str, type: str, id: str) -> int:
    """The identity of a resource; also what a reference to it is looked up by."""
    return h64(f"{tenant}{_UNIT}{type}/{id}")


@lru_cache(maxsize=8192)
def prefix(tenant: str, type: str, param: str) -> str:
    """What the hash of a value of this parameter begins with."""
    return f"{tenant}{_UNIT}{type}{_UNIT}{param}{_UNIT}"


@lru_cache(maxsize=8192)
def param_hash(tenant: str, type: str, param: str) -> int:
    """The parameter itself, as the side tables know it."""
    return h64(prefix(tenant, type, param))
