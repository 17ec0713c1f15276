"""The contract of a plugin: code that scores a batch of texts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from inference.runtime import Runtime
from inference.types import Labels


class Plugin(ABC):
    """Scores texts with a model.

    A subclass names itself and its labels, and returns one row of scores per text, in order.
    A score is a probability in [0, 1] and may not depend on the other texts of the batch.
    A plugin that needs no model version (rules, a remote service) sets `needs_model = False`
    and gets no runtime. One whose model knows no language but English sets `english_only = True`:
    texts in other languages are then marked `low_confidence`.
    """

    name: ClassVar[str]
    labels: ClassVar[tuple[str, ...]]
    needs_model: ClassVar[bool] = True
    english_only: ClassVar[bool] = False

    def __init__(self, runtime: Runtime | None = None) -> None:
        self._runtime = runtime

    @property
    def runtime(self) -> Runtime:
        """The loaded model version; raises RuntimeError for a plugin that was given none."""
        if self._runtime is None:
            raise RuntimeError(f"Plugin {self.name!r} was given no model.")
        return self._runtime

    @abstractmethod
    def predict(self, texts: Sequence[str]) -> list[Labels]:
        """One mapping of label to probability for each text, in order."""
