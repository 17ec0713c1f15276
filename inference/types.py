"""The values that travel from a text to its scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from inference.words import Span

Labels = Mapping[str, float]
"""One plugin's scores of one text: label to probability in [0, 1]."""

Passages = Mapping[str, Span]
"""The characters that gave labels their scores; labels that the whole text gave are left out."""


class PassageScore(float):
    """A score that one passage of a long text got, the highest of all its passages.

    A number like any other: a plugin passes it on without a thought, and what it computes from it
    has no passage.
    """

    __slots__ = ("passage",)

    passage: Span

    def __new__(cls, score: float, passage: Span) -> "PassageScore":
        made = super().__new__(cls, score)
        made.passage = passage
        return made

    def __reduce__(self) -> tuple[type["PassageScore"], tuple[float, Span]]:
        return PassageScore, (float(self), self.passage)


@dataclass(frozen=True, slots=True)
class Scores:
    """What all plugins said of one text.

    `by_plugin` maps a plugin's name to its labels,
    `models` the same name to the model version that gave them (`name@version+sha256:…`),
    `failures` a plugin's name to the reason why it gave none.
    `low_confidence` says that a plugin which knows English only judged another language,
    `passages` maps the name of a plugin that read a long text in parts to where the worst were.
    """

    by_plugin: Mapping[str, Labels]
    models: Mapping[str, str]
    failures: Mapping[str, str] = field(default_factory=dict)
    low_confidence: bool = False
    passages: Mapping[str, Passages] = field(default_factory=dict)

    def behind(self, characters: int) -> "Scores":
        """The same, where the text that was scored stands behind so many characters."""
        if not characters or not self.passages:
            return self
        moved = {
            plugin: {
                label: Span(span.start + characters, span.end + characters)
                for label, span in found.items()
            }
            for plugin, found in self.passages.items()
        }
        return replace(self, passages=moved)
