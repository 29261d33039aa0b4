"""The one door for outgoing requests (invariant 9): no subscriber can make us call our own network.

Strategy: the URL is parsed strictly, the name is resolved once, every address is checked, and the connection goes to a checked
address, so that a name which changes its mind between check and connect (DNS rebinding) gains nothing. Private, loopback,
link-local, metadata and otherwise special addresses are refused, unless the operator allowed the host or network by name;
plain http is only for what is allowed. Redirects are never followed, so nothing gets around the door.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from penstock.errors import Problem

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_PATH = re.compile(r"[!-~]*")

#: Addresses that count as global and yet lead inside: translation and tunnel prefixes, and a cloud's host service.
_INSIDE: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure platform address
        "64:ff9b::/96",  # NAT64 (RFC 6052): an IPv4 address in disguise
        "64:ff9b:1::/48",  # local NAT64 (RFC 8215)
        "2002::/16",  # 6to4 (RFC 3056)
        "2001::/32",  # Teredo (RFC 4380)
        "::ffff:0:0/96",  # IPv4-mapped
        "::/96",  # IPv4-compatible
        "192.88.99.0/24",  # 6to4 relay
    )
)


class Target(NamedTuple):
    """A parsed URL: where to connect, and what to ask for."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str) -> Target:
    """The target of a URL; anything unusual (other schemes, user names, control characters, bad ports) is ``value``."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        raise Problem("value", "the endpoint is not a URL that we can call") from None
    literal = _literal(host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    good = parts.scheme in _PORTS and "@" not in parts.netloc and not parts.fragment and port != 0
    if not (good and url.isascii() and _PATH.fullmatch(url) and "\\" not in url and (literal or _HOST.fullmatch(host))):
        raise Problem("value", "the endpoint is not a URL that we can call")
    return Target(parts.scheme, host.lower(), port or _PORTS[parts.scheme], path)


class Door:
    """Decides where outgoing requests may go. ``allow``: hosts and networks the operator trusts although they are inside."""

    def __init__(self, allow: Iterable[str] = (), *, resolve: Resolve | None = None) -> None:
        self._hosts: set[str] = set()
        self._networks: list[Network] = []
        for entry in allow:
            try:
                self._networks.append(ip_network(entry, strict=False))
            except ValueError:
                self._hosts.add(entry.lower().rstrip("."))
        self._threads = ThreadPoolExecutor(16, "resolve")
        self._resolve = resolve or self._system_resolve

    async def addresses(self, target: Target) -> list[str]:
        """The addresses that may be connected to for this target; ``forbidden`` when none may, ``transient`` when there is no such name."""
        try:
            found = [target.host] if _literal(target.host) else await self._resolve(target.host, target.port)
        except OSError:
            raise Problem("transient", "the name of the endpoint cannot be resolved") from None
        allowed = [text for text in found if self._permits(target, ip_address(text.split("%")[0]))]
        if not allowed:
            raise Problem("forbidden", "the endpoint is at an address that outgoing requests may not reach")
        return allowed

    def check(self, target: Target) -> None:
        """Refuse at once what can be refused without resolving: plain http to a host, or an address, that is not allowed."""
        literal = _literal(target.host)
        if literal and not self._permits(target, literal):
            raise Problem("forbidden", "the endpoint is at an address that outgoing requests may not reach")
        if target.scheme == "http" and not literal and target.host not in self._hosts and not self._networks:
            raise Problem("forbidden", "the endpoint must use https")

    def _permits(self, target: Target, address: Address) -> bool:
        if target.host in self._hosts or any(address in network for network in self._networks):
            return True
        return target.scheme == "https" and not inside(address)

    async def _system_resolve(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(info[4][0]) for info in found))


def inside(address: Address) -> bool:
    """Whether an address is not plainly on the public internet (IANA special-purpose registries, and :data:`_INSIDE`)."""
    return not address.is_global or address.is_multicast or any(address in network for network in _INSIDE)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.split("%")[0])
    except ValueError:
        return None
