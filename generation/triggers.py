"""When the assistant answers a message of a stream that nobody put to it by name."""

from collections.abc import Callable, Iterable

from generation.assistants import Assistant, Trigger
from policy.messages import Message, Verdict


def calls(assistant: Assistant, message: Message) -> bool:
    """Whether the assistant is to answer this message; never one of its own."""
    if message.author.kind != "user":
        return False
    if assistant.trigger == Trigger.MENTION:
        return mentions(message.text, assistant.mention)
    return assistant.trigger == Trigger.ALWAYS


def mentions(text: str, mention: str) -> bool:
    """Whether `@Name` stands in a text, in any case, and not as part of a longer word."""
    return _place(text, mention) is not None


def without_mention(text: str, mention: str) -> str:
    """What is said to the assistant; all of it where the mention is all there is."""
    if (at := _place(text, mention)) is None:
        return text
    before, after = text[:at].rstrip(), text[at + len(mention) :].lstrip(" ,:")
    return f"{before} {after}".strip() or text


def answerable(
    verdicts: Iterable[Verdict], assistant: Callable[[str, str], Assistant | None]
) -> list[tuple[Message, Assistant]]:
    """The published messages of which the stream's assistant takes notice, with it."""
    published = [verdict.message for verdict in verdicts if verdict.action.publishes]
    return [
        (message, found)
        for message in published
        if (found := assistant(message.site, message.stream)) and calls(found, message)
    ]


def _place(text: str, mention: str) -> int | None:
    """Where the mention begins."""
    # A few letters have a longer lower case, which would move the place; they keep theirs.
    lower = "".join(low if len(low := each.lower()) == 1 else each for each in text)
    mention = mention.lower()
    at = lower.find(mention)
    while at >= 0:
        before, after = lower[at - 1 : at], lower[at + len(mention) :][:1]
        if not _in_word(before) and not _in_word(after):
            return at
        at = lower.find(mention, at + 1)
    return None


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
