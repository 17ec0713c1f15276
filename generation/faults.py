"""What is wrong with a model's settings, whoever saves them: each with the field it is said at."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from generation.assistants import Backend


@dataclass(frozen=True, slots=True)
class Draft:
    """A model as it would be saved, with the key that comes with it."""

    backend: str
    base_url: str
    max_tokens: int
    context_tokens: int
    key: str = ""
    keeps_key_of: str = ""
    """The address whose stored key would stay; '' where there is none, or it is replaced."""


def faults(draft: Draft) -> Iterator[tuple[str, str]]:
    """A server needs an address, our own plugin has none, and a key stays with its server."""
    is_server = draft.backend == Backend.OPENAI
    if is_server and not draft.base_url:
        yield "base_url", "A server needs its address."
    if not is_server and (draft.base_url or draft.key):
        yield "backend", "The plugin llm takes no address and no key."
    if not draft.key.isprintable() or not draft.key.isascii():
        yield "api_key", "A key has printable ASCII characters only."
    if draft.max_tokens >= draft.context_tokens > 0:
        yield "max_tokens", "An answer must leave room for the question."
    if draft.keeps_key_of and is_server and _server(draft.keeps_key_of) != _server(draft.base_url):
        # Whoever may change an address could otherwise read the key there.
        yield "api_key", "The stored key belongs to another server: give this one's, or forget it."


def _server(url: str) -> tuple[str, str]:
    found = urlsplit(url)
    return found.scheme, found.netloc
