"""Names of what Redis holds about streams and sessions, and of the channel layer's groups."""

from policy.keys import LIMITS, stream_group

__all__ = [
    "LIMITS",
    "stream_group",
]

EVENTS = "rtai:events"
"""A Redis Stream of what happened in streams beside messages, for whoever passes it on.

Each entry has `event` (`joined` or `left`: a user's first session came, or the last one went),
`site`, `stream`, `user`, `name` and `at_ms`. About the last 100,000 are kept.
"""


def limits_in_use(gateway: str) -> str:
    """Version of the limits that a gateway's process counts its connections against."""
    return f"rtai:limits-in-use:{gateway}"


def ref(site: str, user: str, ref: str) -> str:
    """Message id of a client's `ref`, for 5 minutes."""
    return f"rtai:ref:{site}:{len(user)}:{user}:{ref}"


def position(site: str, stream: str) -> str:
    """Hash of a stream: `epoch` and `offset`."""
    return f"rtai:position:{site}/{stream}"


def history(site: str, stream: str) -> str:
    """Sorted set of a stream's frames by offset; each member is `published_ms|frame`,
    with moderators' variant of the frame on a second line where there is one."""
    return f"rtai:history:{site}/{stream}"


def history_index(site: str, stream: str) -> str:
    """Sorted set of message ids by the offset of their frame; trimmed with the history."""
    return f"rtai:index:{site}/{stream}"


def mailbox(site: str, user: str) -> str:
    """Hash of verdict frames by message id, for a user whose sessions may not have seen them."""
    return f"rtai:mailbox:{site}:{user}"


def session(id: str) -> str:
    """Hash of one live session."""
    return f"rtai:session:{id}"


def sessions(site: str) -> str:
    """Sorted set of a site's session ids, scored by the end of their lease."""
    return f"rtai:sessions:{site}"


def user_sessions(site: str, user: str) -> str:
    """Sorted set of a user's session ids, scored by the end of their lease."""
    return f"rtai:user-sessions:{site}:{user}"


def bans(site: str) -> str:
    """Sorted set of `user:ID` and `address:HASH`, scored by the end of the ban in ms."""
    return f"rtai:bans:{site}"


def kicks(site: str) -> str:
    """Sorted set of `session:ID`, `user:ID` and `address:HASH` that were just disconnected, scored
    by when, in ms."""
    return f"rtai:kicks:{site}"


def site_group(site: str) -> str:
    """Group of what concerns single users of a site: verdicts, kicks, bans."""
    return f"site.{site}"


def gateway_group(gateway: str) -> str:
    """Group of one gateway process: finished batches and probes."""
    return f"gateway.{gateway}"


def address_sessions(site: str, address: str) -> str:
    """Sorted set of an address's session ids, scored by the end of their lease."""
    return f"rtai:address-sessions:{site}:{address}"


def stream_sessions(site: str, stream: str) -> str:
    """Sorted set of the session ids in a stream, scored by the end of their lease."""
    return f"rtai:stream-sessions:{site}/{stream}"


def ticket(digest: str) -> str:
    """The claims that a one-time ticket stands for, by its SHA-256."""
    return f"rtai:ticket:{digest}"
