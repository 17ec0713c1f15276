"""What all sessions of a gateway share: everything they do to the world goes through here."""

from asyncio import Semaphore
from collections.abc import Callable
from dataclasses import dataclass

from streams.admission import Admission
from streams.audience import Audience
from streams.directory import Directory
from streams.generating import Generating
from streams.hub import Bus, Hub
from streams.removal import Removal
from streams.roster import Roster
from streams.session_store import SessionStore
from streams.tokens import Claims


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of a session. `clock` is monotonic in seconds."""

    hub: Hub
    bus: Bus
    audience: Audience
    admission: Admission
    directory: Directory
    store: SessionStore
    removal: Removal
    roster: Roster
    generating: Generating
    verify: Callable[[str], Claims]
    now_ms: Callable[[], int]
    clock: Callable[[], float]
    gate: Semaphore
    """Whoever holds it may ask Redis; it keeps a storm of clients from exhausting connections."""
    sent: Callable[[str, int], None]
    """Counts frames to clients by type."""
