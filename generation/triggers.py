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
    text, mention = text.casefold(), mention.casefold()
    at = text.find(mention)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(mention) :][:1]
        if not _in_word(before) and not _in_word(after):
            return True
        at = text.find(mention, at + 1)
    return False


def answerable(
    verdicts: Iterable[Verdict], assistant: Callable[[str, str], Assistant | None]
) -> list[Message]:
    """The published messages of which the stream's assistant takes notice."""
    published = [verdict.message for verdict in verdicts if verdict.action.publishes]
    return [
        message
        for message in published
        if (found := assistant(message.site, message.stream)) and calls(found, message)
    ]


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
