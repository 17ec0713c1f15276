"""A client's text as a message, however it came in."""

from policy.messages import Author, Message, new_id
from streams.clients import Client
from streams.directory import StreamInfo


def message_of(  # noqa: PLR0913 - what a message is made of
    client: Client, stream: StreamInfo, ref: str, text: str, now_ms: int, kind: str = "user"
) -> Message:
    """A message that is accepted now, and has as long as its stream allows."""
    return Message(
        id=new_id(now_ms),
        site=stream.site,
        stream=stream.name,
        author=Author(client.user, client.name, kind),
        session=client.session,
        ref=ref,
        text=text,
        accepted_ms=now_ms,
        deadline_ms=now_ms + stream.deadline_ms,
    )
