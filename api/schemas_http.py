"""Bodies of the config API, checked before anything else sees them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, StringConstraints

Name = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Slug = Annotated[str, StringConstraints(max_length=32, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Word = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Called = Annotated[str, StringConstraints(min_length=1, max_length=32)]
StreamName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")]
User = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Action = Literal["allow", "flag", "hold", "block"]


class Body(Schema):
    """What comes in: an unknown member is an error, so that a misspelt one is never ignored."""

    model_config = ConfigDict(extra="forbid")


class TokenBody(Body):
    sub: User
    name: Annotated[str, StringConstraints(max_length=64)] = ""
    streams: Annotated[list[StreamName | Literal["*"]], Field(min_length=1, max_length=128)] = ["*"]
    role: Literal["member", "moderator"] = "member"
    ttl_s: Annotated[int, Field(ge=1, le=600, strict=True)] = 600


class TokenOut(Schema):
    token: str
    expires_at: str


class SiteBody(Body):
    slug: Slug
    name: Name
    allowed_origins: Annotated[list[str], Field(max_length=100)] = []
    assistant: Called | None = None
    active: bool = True


class SiteChange(Body):
    name: Name | None = None
    allowed_origins: Annotated[list[str], Field(max_length=100)] | None = None
    assistant: Called | None = None
    active: bool | None = None


class SiteOut(Schema):
    slug: str
    name: str
    public_key: str
    allowed_origins: list[str]
    assistant: str | None
    active: bool
    created_at: datetime


class StreamBody(Body):
    name: StreamName
    site: Slug | None = None
    policy: Word | None = None
    assistant: Called | None = None
    deadline_ms: Annotated[int, Field(ge=100, le=600_000)] = 10_000
    history_frames: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    history_s: Annotated[int, Field(ge=1, le=604_800)] = 600
    active: bool = True


class StreamChange(Body):
    policy: Word | None = None
    assistant: Called | None = None
    deadline_ms: Annotated[int, Field(ge=100, le=600_000)] | None = None
    history_frames: Annotated[int, Field(ge=1, le=100_000)] | None = None
    history_s: Annotated[int, Field(ge=1, le=604_800)] | None = None
    active: bool | None = None


class StreamOut(Schema):
    site: str
    name: str
    policy: str | None
    assistant: str | None
    deadline_ms: int
    history_frames: int
    history_s: int
    active: bool


class RuleBody(Body):
    name: Word
    plugin: Word
    label: Word
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    action: Literal["flag", "hold", "block"]
    judges: Literal["everybody", "people", "assistants"] = "everybody"
    enabled: bool = True


class PolicyBody(Body):
    name: Word
    fail_mode: Action = "hold"
    is_default: bool = False
    rules: Annotated[list[RuleBody], Field(max_length=200)] = []


class PolicyChange(Body):
    """Given `rules` replace all that there were."""

    fail_mode: Action | None = None
    is_default: Literal[True] | None = None
    rules: Annotated[list[RuleBody], Field(max_length=200)] | None = None


class RuleOut(Schema):
    name: str
    plugin: str
    label: str
    threshold: float
    action: str
    judges: str
    enabled: bool


class PolicyOut(Schema):
    name: str
    version: int
    fail_mode: str
    is_default: bool
    rules: list[RuleOut]


class LimitBody(Body):
    rate: Annotated[str, StringConstraints(max_length=40)]
    enabled: bool = True


class LimitOut(Schema):
    name: str
    rate: str
    enabled: bool


class ModelOut(Schema):
    name: str
    version: str
    plugin: str
    status: str
    digest: str
    labels: list[Any]
    licence: str
    created_at: datetime
    activated_at: datetime | None
    last_error: str


class SessionOut(Schema):
    id: str
    site: str
    user: str
    name: str
    role: str
    address: str
    streams: list[str]
    connected_at: datetime
    messages: int
    last_verdict: str


class SessionFilter(Schema):
    site: str = ""
    stream: str = ""
    user: str = ""
    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class SessionPage(Schema):
    total: int
    sessions: list[SessionOut]


class BanBody(Body):
    """`seconds` from now on, a year at most. An address is given as its keyed hash."""

    kind: Literal["user", "address"]
    subject: User
    seconds: Annotated[int, Field(ge=1, le=366 * 86_400)]
    reason: Annotated[str, StringConstraints(max_length=200)] = ""
    site: Slug | None = None


class BanOut(Schema):
    id: int
    site: str
    kind: str
    subject: str
    until: datetime
    reason: str


class AuthorBody(Body):
    id: User
    name: Annotated[str, StringConstraints(max_length=64)] = ""


class MessageBody(Body):
    text: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    ref: Annotated[str, StringConstraints(max_length=64)] = ""
    author: AuthorBody | None = None
    site: Slug | None = None


class MessageOut(Schema):
    """`verdict` is there when the same `ref` came before and was decided."""

    id: str
    stream: str
    ref: str
    verdict: dict[str, Any] | None = None
