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
    keeps_key_of: str | None = None
    """The address whose stored key would stay; None where there is none, or it is replaced."""

    @property
    def is_server(self) -> bool:
        """Whether it is asked at an address; what is not, keeps no key."""
        return self.backend == Backend.OPENAI


def faults(draft: Draft) -> Iterator[tuple[str, str]]:
    """A server needs an address, our own plugin has none, and a key stays with its server."""
    kept = draft.keeps_key_of
    if draft.is_server and not draft.base_url:
        yield "base_url", "A server needs its address."
    if not draft.is_server and (draft.base_url or draft.key):
        yield "backend", "The plugin llm takes no address and no key."
    if not draft.key.isprintable() or not draft.key.isascii():
        yield "api_key", "A key has printable ASCII characters only."
    if draft.max_tokens >= draft.context_tokens > 0:
        yield "max_tokens", "An answer must leave room for the question."
    if kept is not None and draft.is_server and _server(kept) != _server(draft.base_url):
        # Whoever may change an address could otherwise read the key there.
        yield "api_key", "The stored key belongs to another server: give this one's, or forget it."


def _server(url: str) -> tuple[str, str]:
    found = urlsplit(url)
    return found.scheme, found.netloc
