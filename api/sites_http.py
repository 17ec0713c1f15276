"""Sites and their streams, over REST."""

import secrets
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Router, Status

from api.callers_http import Caller, caller_of, must
from api.schemas_http import SiteBody, SiteChange, SiteOut, StreamBody, StreamChange, StreamOut
from generation.models import AssistantRecord
from inference.errors import BadFrame
from policy.models import PolicyRecord
from streams import origins
from streams.models import Site, Stream
from streams.scopes import INSTALLATION

Row = TypeVar("Row", Site, Stream)
router = Router()


class Conflict(BadFrame):
    """It exists already."""

    code = "conflict"


@router.get("/sites", response=list[SiteOut], tags=["sites"])
def list_sites(request: HttpRequest) -> list[SiteOut]:
    """The sites that this key may see."""
    caller = _reader(request, "sites")
    rows = Site.objects.select_related("assistant")
    return [_seen(row) for row in (rows.filter(pk=caller.site) if caller.is_bound else rows)]


@router.post("/sites", response={201: SiteOut}, tags=["sites"])
def create_site(request: HttpRequest, body: SiteBody) -> Status[SiteOut]:
    """A new site with a public key of its own."""
    caller = _writer(request, "sites")
    caller.require(INSTALLATION)
    check_origins(body.allowed_origins)
    given = body.dict(exclude={"assistant"})
    row = Site(**given, assistant=_assistant(body.assistant), public_key=new_public_key())
    return Status(201, _seen(_create(row, f"the site {body.slug!r}")))


@router.get("/sites/{slug}", response=SiteOut, tags=["sites"])
def get_site(request: HttpRequest, slug: str) -> SiteOut:
    """One site."""
    return _seen(_site(_reader(request, "sites"), slug))


@router.patch("/sites/{slug}", response=SiteOut, tags=["sites"])
def change_site(request: HttpRequest, slug: str, body: SiteChange) -> SiteOut:
    """Changes what is given; `"assistant": null` means none."""
    row = _site(_writer(request, "sites"), slug)
    check_origins(body.allowed_origins or [])
    given = body.dict(exclude_unset=True)
    if "assistant" in given:
        row.assistant = _assistant(given.pop("assistant"))
    return _seen(_change(row, _given(given)))


@router.delete("/sites/{slug}", response={204: None}, tags=["sites"])
def delete_site(request: HttpRequest, slug: str) -> Status[None]:
    """Removes a site with its streams, keys and bans."""
    caller = _writer(request, "sites")
    caller.require(INSTALLATION)
    _site(caller, slug).delete()
    return Status(204, None)


@router.get("/streams", response=list[StreamOut], tags=["streams"])
def list_streams(request: HttpRequest, site: str = "") -> list[StreamOut]:
    """A site's streams."""
    caller = _reader(request, "streams")
    rows = Stream.objects.filter(site_id=caller.site_or(site)).select_related("policy", "assistant")
    return [_shown(row) for row in rows]


@router.post("/streams", response={201: StreamOut}, tags=["streams"])
def create_stream(request: HttpRequest, body: StreamBody) -> Status[StreamOut]:
    """A new stream."""
    caller = _writer(request, "streams")
    site = _site(caller, caller.site_or(body.site))
    given = body.dict(exclude={"site", "policy", "assistant"})
    chosen = {"policy": _policy(body.policy), "assistant": _assistant(body.assistant)}
    row = Stream(site=site, **chosen, **given)
    return Status(201, _shown(_create(row, f"the stream {body.name!r}")))


@router.get("/streams/{name}", response=StreamOut, tags=["streams"])
def get_stream(request: HttpRequest, name: str, site: str = "") -> StreamOut:
    """One stream."""
    return _shown(_stream(_reader(request, "streams"), site, name))


@router.patch("/streams/{name}", response=StreamOut, tags=["streams"])
def change_stream(request: HttpRequest, name: str, body: StreamChange, site: str = "") -> StreamOut:
    """Changes what is given; `"policy": null` means the default one, `"assistant": null` the
    site's.
    """
    row = _stream(_writer(request, "streams"), site, name)
    given = body.dict(exclude_unset=True)
    if "policy" in given:
        row.policy = _policy(given.pop("policy"))
    if "assistant" in given:
        row.assistant = _assistant(given.pop("assistant"))
    return _shown(_change(row, _given(given)))


@router.delete("/streams/{name}", response={204: None}, tags=["streams"])
def delete_stream(request: HttpRequest, name: str, site: str = "") -> Status[None]:
    """Removes a stream."""
    _stream(_writer(request, "streams"), site, name).delete()
    return Status(204, None)


def new_public_key() -> str:
    """A public key for a new site."""
    return f"pk_{secrets.token_urlsafe(18)}"


def check_origins(patterns: list[str]) -> None:
    """Raises BadFrame for what can never match a page's origin."""
    for pattern in patterns:
        if not origins.is_pattern(pattern):
            raise BadFrame(
                f"{pattern[:100]!r} is no origin; expected such as https://example.org "
                "or https://*.example.org."
            )


def _reader(request: HttpRequest, area: str) -> Caller:
    caller = caller_of(request)
    caller.require(f"{area}:read")
    return caller


def _writer(request: HttpRequest, area: str) -> Caller:
    caller = caller_of(request)
    caller.require(area)
    return caller


def _site(caller: Caller, slug: str) -> Site:
    caller.site_or(slug)
    return must(Site.objects.filter(pk=slug).first(), f"site {slug!r}")


def _stream(caller: Caller, site: str, name: str) -> Stream:
    rows = Stream.objects.filter(site_id=caller.site_or(site), name=name)
    return must(rows.select_related("policy", "assistant").first(), f"stream {name!r}")


def _policy(name: str | None) -> PolicyRecord | None:
    if name is None:
        return None
    return must(PolicyRecord.objects.filter(name=name).first(), f"policy {name!r}")


def _create(row: Row, what: str) -> Row:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Conflict(f"There is {what} already.") from None
    return row


def _change(row: Row, given: dict[str, Any]) -> Row:
    for name, value in given.items():
        setattr(row, name, value)
    row.save()
    return row


def _assistant(name: str | None) -> AssistantRecord | None:
    if name is None:
        return None
    return must(AssistantRecord.objects.filter(name=name).first(), f"assistant {name!r}")


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """What is null changes nothing."""
    return {key: value for key, value in fields.items() if value is not None}


def _seen(row: Site) -> SiteOut:
    return SiteOut(
        slug=row.slug,
        name=row.name,
        public_key=row.public_key,
        allowed_origins=row.allowed_origins,
        assistant=row.assistant.name if row.assistant else None,
        active=row.active,
        created_at=row.created_at,
    )


def _shown(row: Stream) -> StreamOut:
    return StreamOut(
        site=row.site_id,
        name=row.name,
        policy=row.policy.name if row.policy else None,
        assistant=row.assistant.name if row.assistant else None,
        deadline_ms=row.deadline_ms,
        history_frames=row.history_frames,
        history_s=row.history_s,
        active=row.active,
    )
