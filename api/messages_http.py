"""A site's own programs send messages: the same way in as a visitor's, without a socket."""

import time
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from api.callers_http import AsyncKeyAuth, Caller, caller_of, must
from api.schemas_http import MessageBody, MessageOut
from api.visitors import clean_name
from policy.messages import Author
from streams import lifespan
from streams.clients import Client, service
from streams.entry import message_of

router = Router()


@router.post(
    "/streams/{stream}/messages",
    response={202: MessageOut},
    auth=AsyncKeyAuth(),
    tags=["messages"],
)
async def send_message(request: HttpRequest, stream: str, body: MessageBody) -> Status[Any]:
    """Stores a text to be judged and, if allowed, published.

    It survives the death of any process from the answer on. The same `ref` of the same author
    answers with the same `id` for 5 minutes, and with the `verdict` once there is one.
    """
    caller = caller_of(request)
    caller.require("messages")
    gateway = await lifespan.gateway()
    site = caller.site_or(body.site)
    info = must(gateway.ports.directory.stream(site, stream), f"stream {stream[:100]!r}")
    author, now_ms = _author(caller, body), time.time_ns() // 1_000_000
    client = _client(caller, site, author, now_ms + info.deadline_ms)
    message = message_of(client, info, body.ref, body.text, now_ms, author.kind)
    admitted = await gateway.ports.admission.admit(message, client)
    return Status(202, _answer(stream, body.ref, admitted.id, admitted.verdict))


def _author(caller: Caller, body: MessageBody) -> Author:
    if body.author is None:
        return Author(service(caller.key), clean_name(caller.name), "service")
    return Author(body.author.id, clean_name(body.author.name), "user")


def _client(caller: Caller, site: str, author: Author, expires_ms: int) -> Client:
    return Client(
        site=site,
        user=author.id,
        name=author.name,
        role="member",
        streams=frozenset({"*"}),
        session="",
        address="",
        expires_ms=expires_ms,
        api_key=caller.key,
    )


def _answer(stream: str, ref: str, id: str, verdict: Any) -> MessageOut:
    return MessageOut(id=id, stream=stream, ref=ref, verdict=dict(verdict) if verdict else None)
