"""Names of what Redis holds about generations, and of their groups on the channel layer."""

from hashlib import blake2s

LEASES = "rtai:generations:leases"
"""Sorted set of ids that a worker took, scored by when they count as dead, in ms."""
WAITING = "rtai:generations:waiting"
"""Sorted set of ids that no worker took yet, scored by their deadline in ms."""

ATTENDED = "rtai:generations:attended"
"""Sorted set of ids that are cancelled when their asker stays away, scored by since when the asker
is missed in ms, 0 while here; later than now where it was told when to come back."""
LOOKED = "rtai:generations:looked"
"""There while gateways look who is missed."""
WORKED = "rtai:generations:worked"
"""There while workers take generations or write them, or one begins: what waits then waits for its
turn."""

TAKERS = "rtai:generations:takers"
"""Sorted set of the takers of living workers, scored by when they count as gone, in ms."""
IDLE = "rtai:generations:idle"
"""Sorted set of takers that wait for the bell, scored by when they look again anyhow, in ms."""
BELL = "rtai:generations:bell"
"""List of rings; a taker that waits takes one, and then looks."""


def generation(id: str) -> str:
    """Hash of one generation, whose fields are strings.

    What was asked: `body` (Generation as JSON), and of that `site`, `stream`, `user`, `ref`,
    `model`; `channel`, where it is announced, and `home`, where the gateway that asked hears of a
    private one as well (may be empty); `gateway`, which hears its program hang up (empty where a
    session counts); `session`, which asked (empty once it is lost), and `heir`, which resumed the
    answer last and takes its place then. `active` and `meters` are JSON arrays: keys of the sets
    that caps count, and names and keys of what its tokens count against.
    How it goes: `status`, `length` (characters so far), `since_ms` (when it was admitted), `due_ms`
    (when it is dispatched again), `worker` (who claimed it), `cancelled`. How it ended: `finish`,
    `code`, `detail`, `retry_after_ms` (empty where unknown), `prompt_tokens`, `completion_tokens`.
    """
    return f"rtai:generation:{id}"


def text(id: str) -> str:
    """A generation's text so far."""
    return f"rtai:generation-text:{id}"


def ref(site: str, user: str, ref: str) -> str:
    """Generation id of a client's `ref`, for 5 minutes."""
    return f"rtai:generation-ref:{site}:{len(user)}:{user}:{ref}"


def running(site: str, stream: str) -> str:
    """Set of the generations under way in a stream."""
    return f"rtai:generations:running:{site}/{stream}"


def active(scope: str, subject: str) -> str:
    """Set of the generations that wait or run of a site, stream, user, session, address or API
    key: what caps count. Of all sites together those are counted that wait."""
    return WAITING if scope == "all" else f"rtai:generations:active:{scope}:{subject}"


def conversation(site: str, user: str, api_key: str = "", name: str = "") -> str:
    """List of a private conversation with the assistant (see `generation.memory.Conversation`),
    oldest first, for 24 hours; each entry is a JSON object with `role` and `content`."""
    if api_key:
        return f"rtai:program-conversation:{site}:{api_key}:{len(user)}:{user}:{name}"
    return f"rtai:conversation:{site}:{len(user)}:{user}"


def group(id: str) -> str:
    """Group of a private generation's announcements; a stream's go to the stream's group."""
    return f"generation.{blake2s(id.encode()).hexdigest()[:40]}"
