"""Names of what Redis holds about generations, and of their groups on the channel layer."""

from hashlib import blake2s

LEASES = "rtai:generations:leases"
"""Sorted set of generation ids, scored by when they count as dead, in ms."""
WAITING = "rtai:generations:waiting"
"""Sorted set of ids that no worker took yet, scored by when they were accepted."""


def generation(id: str) -> str:
    """Hash of one generation: `body`, `status`, `owner` (a worker), `finish` and so on."""
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
    """Sorted set of the generations under way of a user or site, scored by the end of their
    lease: what caps count."""
    return f"rtai:generations:active:{scope}:{subject}"


def conversation(site: str, user: str) -> str:
    """List of a user's private conversation with the assistant, oldest first."""
    return f"rtai:conversation:{site}:{len(user)}:{user}"


def group(id: str) -> str:
    """Group of a private generation's announcements; a stream's go to the stream's group."""
    return f"generation.{blake2s(id.encode()).hexdigest()[:40]}"
