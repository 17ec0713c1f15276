"""What a rate limit is: its name, how it is written, and what a fresh installation starts with."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SCOPES: Mapping[str, tuple[str, ...]] = {
    "messages": ("site", "stream", "user", "session", "address", "api_key"),
    "work": ("site", "stream", "user", "address", "api_key"),
    "connections": ("site", "user", "address"),
    "open_connections": ("site", "user", "address"),
    "generations": ("site", "stream", "user", "session", "address", "api_key"),
    "open_generations": ("site", "stream", "user", "session", "address", "api_key"),
    "waiting_generations": ("all", "site"),
    "tokens": ("site", "user", "api_key"),
    "accepts": ("process", "address"),
    "sockets": ("process", "address"),
    "sign_ins": ("address",),
}
"""Which scopes each resource is limited by. `work` counts what judging messages and prompts costs,
in tokens (`inference.batching.work`), so that nobody can keep a worker busy with a few huge texts.
`open_generations` counts answers that wait or are written at the same time, `waiting_generations`
those that no worker took yet; `all` is all sites together. `tokens` counts those of prompts and
answers when a generation ends; whoever is over the limit by then waits before the next. `accepts`
and `sockets` count connections of any kind in one server process, before their first byte is looked
at; `connections` and `open_connections` those of clients with a token, in all processes. `sign_ins`
counts attempts to sign in to the admin."""
NAMES = tuple(f"{scope}.{resource}" for resource, scopes in SCOPES.items() for scope in scopes)

DEFAULTS: Mapping[str, str] = {
    "site.messages": "1000/1s burst 2000",
    "stream.messages": "500/1s burst 1000",
    "user.messages": "20/10s burst 20",
    "session.messages": "20/10s burst 20",
    "address.messages": "200/10s burst 200",
    "api_key.messages": "500/1s burst 1000",
    "user.work": "6000/1m burst 12000",
    "address.work": "60000/1m burst 60000",
    "site.connections": "1000/1s burst 2000",
    "user.connections": "60/1m burst 30",
    "address.connections": "300/1m burst 100",
    "site.open_connections": "50000",
    "user.open_connections": "20",
    "address.open_connections": "200",
    "site.generations": "600/1m burst 100",
    "user.generations": "10/1m burst 5",
    "address.generations": "30/1m burst 15",
    "all.waiting_generations": "256",
    "site.tokens": "600000/1m",
    "user.tokens": "20000/1m",
    "process.accepts": "2000/1s burst 4000",
    "address.accepts": "200/1s burst 400",
    "process.sockets": "50000",
    "address.sockets": "1000",
    "address.sign_ins": "10/1m burst 20",
}
"""What the first run stores; many visitors may share an address, one person is slow."""

EXPECTED = "expected a rate such as 20/10s or 600/1m burst 50"
EXPECTED_EITHER = f"{EXPECTED}, or a number alone for a cap"
EXPECTED_CAP = "expected a number such as 20"
EXPECTED_BY = {
    "open_connections": EXPECTED_CAP,
    "open_generations": EXPECTED_CAP,
    "waiting_generations": EXPECTED_CAP,
    "sockets": EXPECTED_CAP,
    "generations": EXPECTED_EITHER,
}
MAX_COUNT = 1_000_000
MAX_PERIOD_MS = 24 * 3600 * 1000
UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
RATE = re.compile(r"(\d{1,9})/(\d{0,9})(ms|s|m|h)(?: burst (\d{1,9}))?", re.ASCII)


class BadLimit(ValueError):
    """A name or rate that is not one; the text says what was expected."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` in every `period_ms`, of which up to `burst` at once.

    Without a period it is a cap: `count` at the same time.
    """

    count: int
    period_ms: int = 0
    burst: int = 0

    @property
    def is_cap(self) -> bool:
        """Whether it limits how many at once, not how fast."""
        return not self.period_ms

    def encode(self) -> str:
        """What Redis holds: `count:period_ms:burst`, or `count` for a cap."""
        return str(self.count) if self.is_cap else f"{self.count}:{self.period_ms}:{self.burst}"

    def __str__(self) -> str:
        if self.is_cap:
            return str(self.count)
        burst = "" if self.burst == self.count else f" burst {self.burst}"
        return f"{self.count}/{_duration(self.period_ms)}{burst}"


def check(name: str, text: str) -> Rate:
    """The rate of the limit `name`; raises BadLimit for either."""
    check_name(name)
    resource = name.partition(".")[2]
    expected = EXPECTED_BY.get(resource, EXPECTED)
    try:
        rate = parse(text, expected)
    except BadLimit as error:
        raise BadLimit(f"{name}: {error}") from None
    if expected != EXPECTED_EITHER and rate.is_cap != (expected == EXPECTED_CAP):
        raise BadLimit(f"{name}: {expected}, not {text[:60]!r}")
    return rate


def check_name(name: str) -> None:
    """Raises BadLimit unless `name` is a limit's."""
    if name not in NAMES:
        raise BadLimit(f"no limit is named {name!r}; there are {', '.join(NAMES)}")


def parse(text: str, expected: str = EXPECTED_EITHER) -> Rate:
    """`20/10s`, `100/s`, `600/1m burst 50`, or a cap such as `20`; raises BadLimit."""
    text = " ".join(text.split())
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return Rate(_between(int(text), MAX_COUNT, "a cap"))
    if (found := RATE.fullmatch(text)) is None:
        raise BadLimit(f"{expected}, not {text[:60]!r}")
    count, number, unit, burst = found.groups()
    return Rate(
        _between(int(count), MAX_COUNT, "a count"),
        _between(int(number or 1) * UNITS_MS[unit], MAX_PERIOD_MS, "a period in ms"),
        _between(int(burst or count), MAX_COUNT, "a burst"),
    )


def decode(encoded: str) -> Rate:
    """The inverse of `Rate.encode`; raises ValueError."""
    return Rate(*(int(part) for part in encoded.split(":")))


def defaults() -> Iterator[tuple[str, Rate]]:
    """Names and rates of a fresh installation."""
    return ((name, check(name, text)) for name, text in DEFAULTS.items())


def _between(number: int, most: int, what: str) -> int:
    if not 1 <= number <= most:
        raise BadLimit(f"expected {what} from 1 to {most}, not {number}")
    return number


def _duration(period_ms: int) -> str:
    unit = next(unit for unit in ("h", "m", "s", "ms") if period_ms % UNITS_MS[unit] == 0)
    return f"{period_ms // UNITS_MS[unit]}{unit}"
