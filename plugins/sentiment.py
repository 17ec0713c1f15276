"""How a message feels, from a distilled encoder."""

from collections.abc import Sequence

from inference.plugin import Plugin
from inference.types import Labels


class Sentiment(Plugin):
    name = "sentiment"
    english_only = True
    labels = ("negative", "neutral", "positive")

    def predict(self, texts: Sequence[str]) -> list[Labels]:
        rows = self.runtime.run(texts)
        return [dict(zip(self.labels, row, strict=True)) for row in rows]
