"""The contract of a generator that runs a model version, and the port behind it."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from inference.generator import Cancellation, Ended, Generator, Piece, Prompt, Turn


class Engine(Protocol):
    """A loaded model version that writes many answers at once."""

    @property
    def version(self) -> str:
        """Its tag, `name@version+sha256:…`."""
        ...

    @property
    def provider(self) -> str:
        """The execution provider in use, such as `CPUExecutionProvider`."""
        ...

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together have at most so many tokens."""
        ...

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        """Tokens of a prompt, marks included."""
        ...

    def generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        """As inference.generator.Generator."""
        ...


class ModelGenerator(Generator):
    """Writes with the active model version of the plugin that a subclass names.

    A subclass may change prompts and pieces on their way, in `generate`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def version(self) -> str:
        return self.engine.version

    @property
    def context_tokens(self) -> int:
        return self.engine.context_tokens

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        return self.engine.count_tokens(turns)

    def generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        return self.engine.generate(prompt, cancellation)
