"""Who a client says it is: the claims of its token, checked one by one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from inference.errors import Unauthorized

MAX_TTL_S = 600
LEEWAY_S = 5
"""How far clocks of the minting and the verifying machine may be apart."""
ROLES = ("member", "moderator")


class InvalidToken(Unauthorized):
    """The token is missing, forged, or not made of the right claims."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a genuine token says."""

    site: str
    sub: str
    name: str
    streams: tuple[str, ...]
    """Names of streams; `*` is all."""
    role: str
    exp: int
    """Seconds since the Unix epoch."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for the token's payload."""
        return {**asdict(self), "streams": list(self.streams)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Claims":
        """The inverse of `as_json`; raises InvalidToken for a missing or wrong-typed claim."""
        streams = found.get("streams")
        if not isinstance(streams, list) or not all(_is_text(each, 100) for each in streams):
            raise InvalidToken("The claim 'streams' is not a list of names.")
        if found.get("role") not in ROLES:
            raise InvalidToken("The claim 'role' is neither member nor moderator.")
        return cls(
            site=_claim(found, "site", 32),
            sub=_claim(found, "sub", 128),
            name=_claim(found, "name", 64, empty=True),
            streams=tuple(streams),
            role=found["role"],
            exp=_time(found),
        )


class ExpiredToken(Unauthorized):
    """The token is genuine, but its time is over."""

    def __init__(self, claims: Claims) -> None:
        super().__init__("The token has expired.")
        self.claims = claims


def check_time(claims: Claims, now_s: float) -> None:
    """Raises ExpiredToken after `exp`, and InvalidToken where `exp` is too far away."""
    if claims.exp <= now_s:
        raise ExpiredToken(claims)
    if claims.exp > now_s + MAX_TTL_S + LEEWAY_S:
        raise InvalidToken("The token lives for more than 10 minutes.")


def _claim(found: Mapping[str, Any], name: str, longest: int, *, empty: bool = False) -> str:
    value = found.get(name)
    if not (_is_text(value, longest) or (empty and value == "")):
        raise InvalidToken(f"The claim {name!r} is not a text of 1 to {longest} characters.")
    return str(value)


def _time(found: Mapping[str, Any]) -> int:
    value = found.get("exp")
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 2**53:
        raise InvalidToken("The claim 'exp' is not a time.")
    return int(value)


def _is_text(value: object, longest: int) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= longest or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)
