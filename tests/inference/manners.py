"""Plugins for these tests: one for the small models, one that needs none."""

from collections.abc import Sequence

from inference.plugin import Plugin
from inference.types import Labels
from tests.inference.small_models import LABELS


class Manners(Plugin):
    name = "manners"
    labels = LABELS

    def predict(self, texts: Sequence[str]) -> list[Labels]:
        rows = self.runtime.run(texts)
        return [dict(zip(self.labels, row, strict=True)) for row in rows]


class Shouting(Plugin):
    name = "shouting"
    labels = ("loud",)
    needs_model = False

    def predict(self, texts: Sequence[str]) -> list[Labels]:
        return [{"loud": float(text.isupper())} for text in texts]
