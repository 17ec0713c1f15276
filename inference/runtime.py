"""Port: what executes a model. Texts in, rows of probabilities out."""

from collections.abc import Sequence
from typing import Protocol


class Runtime(Protocol):
    """A loaded model version, ready to run."""

    labels: tuple[str, ...]
    provider: str
    """The execution provider in use, such as `CPUExecutionProvider`."""

    def run(self, texts: Sequence[str]) -> list[list[float]]:
        """One row per text, in order; one probability per label, in the order of `labels`.

        Where the worst part of a long text gave it, a probability is a PassageScore.
        """
        ...
