"""Which addresses outbound HTTP may reach: the public internet, and what the operator allowed.

The check is made on the address that is then connected to (see `client`), so neither DNS that changes its mind between
check and use nor an unusual spelling of `127.0.0.1` gets around it. The ranges are written out here rather than asked
of `ipaddress.is_global`, whose answers differ between patch releases of Python.

Sources: https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry (RFC 6890),
RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo); hosts that end in a number:
https://url.spec.whatwg.org/#ends-in-a-number-checker.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' NAT; 100.100.100.200 is a metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a metadata service on an address that looks public
        "169.254.0.0/16",  # link-local, with the metadata services of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Only 2000::/3 is global unicast: loopback, unique-local, link-local, multicast, mapped IPv4 and NAT64 all lie outside
# of it.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo (carries an IPv4 address)
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 (carries an IPv4 address)
        "3fff::/20",  # documentation
    )
)
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9a-fA-F]*)$")


class Refused(Exception):
    """The guard said no; the message says to what, and what the operator can do."""


class Guard:
    """What `http_allow` lets through beside the public internet. Hosts are compared without case and closing dot."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        """`allow`: host names, `*.example.com` (and what is below it), addresses, networks, or `*` for everything.

        Raises:
            ValueError: an entry is neither of these.
        """
        self._networks: list[Network] = []
        self._hosts: set[str] = set()
        self._suffixes: tuple[str, ...] = ()
        self._everything = False
        for entry in allow:
            self._take(entry.strip().lower().rstrip("."))

    def _take(self, entry: str) -> None:
        if entry == "*":
            self._everything = True
        elif entry.startswith("*."):
            self._suffixes += (entry[1:],)
        elif "/" in entry or literal(entry) is not None:
            self._networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
        elif re.fullmatch(r"[\w.-]+", entry) and not _ENDS_IN_NUMBER.search(entry):
            self._hosts.add(entry)
        else:
            raise ValueError(f"http_allow: {entry!r} is no host, address or network")

    def names(self, host: str) -> bool:
        """Whether the operator allowed this host by its name, whatever address it has."""
        host = host.lower().rstrip(".")
        return self._everything or host in self._hosts or (bool(self._suffixes) and host.endswith(self._suffixes))

    def check_host(self, host: str) -> Address | None:
        """The address that `host` is, or None when it is a name to be resolved.

        Raises:
            Refused: a number in a spelling that only some resolvers understand (`0x7f.1`, `2130706433`).
        """
        address = literal(host)
        if address is None and _ENDS_IN_NUMBER.search(host.rstrip(".")) and not self.names(host):
            raise Refused(f"{host} is an unusual spelling of an address; write it as four decimal numbers")
        return address

    def check(self, host: str, address: Address) -> None:
        """Refuse an address that is about to be connected to for `host`.

        Raises:
            Refused: it is not public, and neither it nor the host's name is allowed.
        """
        if is_public(address) or self.names(host) or self._allowed(address):
            return
        shown = host if host == str(address) else f"{host} ({address})"
        raise Refused(
            f"{shown} is not a public address, so outbound HTTP may not reach it; "
            "an operator can allow the host or its network in http_allow (REACTOR_HTTP_ALLOW)"
        )

    def _allowed(self, address: Address) -> bool:
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any(address in network or (mapped is not None and mapped in network) for network in self._networks)


def literal(host: str) -> Address | None:
    """The address written in a URL's host (IPv6 with or without brackets), or None when it is a name."""
    try:
        return ipaddress.ip_address(host[1:-1] if host.startswith("[") else host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether it is an address of the public internet. One that carries another (mapped, NAT64, 6to4) is not."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)
