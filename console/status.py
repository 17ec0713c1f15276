"""What the dashboard shows: values only, ready to be written as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

ACTIONS = ("allow", "flag", "hold", "block")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model as one worker has it in memory."""

    plugin: str
    version: str
    provider: str


@dataclass(frozen=True, slots=True)
class Worker:
    """A live worker; `busy_ms` is how long it has been at its batch, 0 when it waits for one."""

    id: str
    host: str
    pid: int
    busy_ms: int
    seen_ms_ago: int
    models: tuple[Loaded, ...]
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Live:
    """What Redis says now; `sessions`, by site, is None where the sites are not known."""

    sessions: Mapping[str, int] | None
    pending: int
    oldest_pending_ms: int
    workers: tuple[Worker, ...]


@dataclass(frozen=True, slots=True)
class Active:
    """The version of a plugin's model that the operator chose."""

    plugin: str
    model: str
    last_error: str


@dataclass(frozen=True, slots=True)
class Recent:
    """The last hour's verdicts by action, each with its count in every one of 60 minutes."""

    since_ms: int
    by_minute: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Ready:
    """Whether a message can be judged now, and what is in the way; None is not known yet."""

    ok: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """One look at the whole product; a part that could not be read is None and named."""

    now_ms: int
    live: Live | None
    recent: Recent | None
    active: tuple[Active, ...]
    ready: Ready
    failures: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the sums that the page shows."""
        found = asdict(self)
        if self.recent is not None:
            found["actions"] = {name: sum(row) for name, row in self.recent.by_minute.items()}
        found["connected"] = self._connected()
        return found

    def _connected(self) -> int | None:
        """Sessions of all sites; None is not known, which is not 0."""
        sessions = self.live.sessions if self.live else None
        return None if sessions is None else sum(sessions.values())
