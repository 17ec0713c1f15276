"""Where a client comes from: its own address, seen through the proxies that we trust."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = Iterable[IPv4Network | IPv6Network]


def of_scope(scope: Mapping[str, Any], trusted: Networks) -> str:
    """The client's address from an ASGI scope, as `of` has it; headers are pairs of bytes."""
    client = scope.get("client")
    return of(client[0] if client else "", forwarded(scope.get("headers", ())), trusted)


def forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The values of `X-Forwarded-For`, in order."""
    return [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]


def of(peer: str, forwarded: Iterable[str], trusted: Networks) -> str:
    """The rightmost hop that is no trusted proxy; '' where the peer has no address.

    An IPv6 client is known by its /64, since it may choose the rest freely.
    What stands left of the first untrusted or unreadable hop was written by strangers.
    """
    found = _address(peer)
    hops = [hop for value in forwarded for hop in value.split(",")]
    while found is not None and _trusts(trusted, found) and hops:
        before = _address(hops.pop())
        if before is None:
            break
        found = before
    return "" if found is None else _name(found)


def is_among(peer: str, networks: Networks) -> bool:
    """Whether an address lies in one of the networks."""
    found = _address(peer)
    return found is not None and _trusts(networks, found)


def hashed(secret: str, address: str) -> str:
    """What is stored of an address: an HMAC-SHA-256 under the installation's secret."""
    return hmac.new(secret.encode(), address.encode(), hashlib.sha256).hexdigest()[:32]


def _trusts(trusted: Networks, address: Address) -> bool:
    return any(address.version == network.version and address in network for network in trusted)


def _name(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _address(text: str) -> Address | None:
    """The address of `1.2.3.4`, `1.2.3.4:80`, `::1` or `[::1]:80`; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
