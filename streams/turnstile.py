"""How many connections a server process takes: counted before anything is known of a client.

Every connection counts for the address that it comes from. One of a trusted proxy carries the
requests of many clients: each request counts instead, for the address that the proxy names.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from streams import addresses
from streams.limits import Rate, defaults

FULL_S = 5
"""When to come back where as many connections are open as may be."""
TIDY_S = 1.0
EXACT_S = 1e-6
"""What rounding may add to a wait."""
RATES = ("process.accepts", "address.accepts")
CAPS = ("process.sockets", "address.sockets")


class Bucket:
    """The theoretical time of the next arrival (GCRA, as in `policy.limits_redis`)."""

    __slots__ = ("arrival",)

    def __init__(self) -> None:
        self.arrival = -math.inf

    def wait_s(self, rate: Rate, now: float) -> float:
        """How long until there is room for one; 0 where there is."""
        step = rate.period_ms / 1000 / rate.count
        ahead = rate.burst * step
        # Further ahead than a full burst, it comes from a limit that was since raised.
        self.arrival = max(now, min(self.arrival, now + ahead))
        wait_s = self.arrival + step - ahead - now
        return wait_s if wait_s > EXACT_S else 0.0

    def take(self, rate: Rate) -> None:
        """One, for which there was no wait."""
        self.arrival += rate.period_ms / 1000 / rate.count


@dataclass(frozen=True, slots=True)
class Refusal:
    """The limit that is reached, and when to come back."""

    limit: str
    retry_after_s: int


class Turnstile:
    """Counts a process's connections; for its event loop only.

    Limits are a fresh installation's until `use` brings those that are set.
    """

    def __init__(
        self,
        trusted: addresses.Networks,
        clock: Callable[[], float],
        refused: Callable[[str], None],
    ) -> None:
        """`trusted` are proxies; `refused` hears the limit for each connection turned away."""
        self.trusted = tuple(trusted)
        self._clock = clock
        self._refused = refused
        self._limits: Mapping[str, Rate] = dict(defaults())
        self._count = 0
        self._open = Counter[str]()
        self._process = Bucket()
        self._addresses: dict[str, Bucket] = {}
        self._tidied = -math.inf

    def use(self, limits: Mapping[str, Rate]) -> None:
        """Counts against these limits from now on; one that is not among them is none."""
        self._limits = limits

    def visit(self, peer: str) -> "Visit":
        """A connection was accepted; `peer` is '' where it has no address."""
        return Visit(self, peer)

    def enter(self, address: str) -> Refusal | None:
        """Counts one more of this address, or none where it is one too many."""
        now = self._clock()
        self._tidy(now)
        refusal = self._full(address) or self._hasty(address, now)
        if refusal is None:
            self._count += 1
            self._open[address] += 1
        else:
            self._refused(refusal.limit)
        return refusal

    def leave(self, address: str) -> None:
        """One that entered is gone."""
        self._count -= 1
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def _full(self, address: str) -> Refusal | None:
        for name, count in zip(CAPS, (self._count, self._open[address]), strict=True):
            cap = self._limit(name, address)
            if cap is not None and count >= cap.count:
                return Refusal(name, FULL_S)
        return None

    def _hasty(self, address: str, now: float) -> Refusal | None:
        """Takes from both buckets, or from none."""
        buckets = self._process, self._addresses.setdefault(address, Bucket())
        found = [
            (name, rate, bucket)
            for name, bucket in zip(RATES, buckets, strict=True)
            if (rate := self._limit(name, address)) is not None
        ]
        for name, rate, bucket in found:
            if (wait_s := bucket.wait_s(rate, now)) > 0:
                return Refusal(name, math.ceil(wait_s))
        for _, rate, bucket in found:
            bucket.take(rate)
        return None

    def _limit(self, name: str, address: str) -> Rate | None:
        """None where there is no limit, or nobody to count it for."""
        return self._limits.get(name) if address or name.startswith("process.") else None

    def _tidy(self, now: float) -> None:
        """Forgets those whose bucket is full again."""
        if now - self._tidied >= TIDY_S:
            self._tidied = now
            kept = {each: its for each, its in self._addresses.items() if its.arrival > now}
            self._addresses = kept


class Visit:
    """One connection, from its accept to its end."""

    def __init__(self, turnstile: Turnstile, peer: str) -> None:
        self._turnstile = turnstile
        self._peer = peer
        self._counted: str | None = None
        self._is_proxy = addresses.is_among(peer, turnstile.trusted)
        self.refusal: Refusal | None = None
        """Why it is turned away."""
        if not self._is_proxy:
            self._enter(())

    def request(self, forwarded: Iterable[str]) -> Refusal | None:
        """A request has come, with these headers `X-Forwarded-For`; why it is turned away."""
        if self._is_proxy:
            self.end()
            self._enter(forwarded)
        return self.refusal

    def end(self) -> None:
        """The connection is over, or its last request; may be called again."""
        if self._counted is not None:
            self._turnstile.leave(self._counted)
            self._counted = None

    def _enter(self, forwarded: Iterable[str]) -> None:
        address = addresses.of(self._peer, forwarded, self._turnstile.trusted)
        self.refusal = self._turnstile.enter(address)
        if self.refusal is None:
            self._counted = address
