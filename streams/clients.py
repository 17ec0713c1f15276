"""Who is at the other end of a connection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated client: the claims of its token, and where it comes from."""

    site: str
    user: str
    name: str
    role: str
    """`member` or `moderator`."""
    streams: frozenset[str]
    """Names of streams it may use; `*` is all."""
    session: str
    address: str
    """Keyed hash of its address."""
    expires_ms: int
    api_key: str = ""
    """Id of the API key that a program came with."""

    @property
    def person(self) -> str:
        """The user whom limits count; "" for a program that speaks for itself."""
        return "" if self.api_key and self.user == service(self.api_key) else self.user

    @property
    def is_moderator(self) -> bool:
        """Whether it may see scores and remove other people's messages."""
        return self.role == "moderator"

    def may_use(self, stream: str) -> bool:
        """Whether its token grants this stream."""
        return "*" in self.streams or stream in self.streams


def service(api_key: str) -> str:
    """The user that a program is while it speaks for itself."""
    return f"service:{api_key}"
