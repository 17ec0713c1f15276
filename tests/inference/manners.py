"""A plugin for the small models of these tests."""

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
