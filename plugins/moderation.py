"""How harmful a message is, and in which way, from a distilled encoder."""

from collections.abc import Sequence

from inference.plugin import Plugin
from inference.types import Labels


class Moderation(Plugin):
    name = "moderation"
    english_only = True
    labels = (
        "harm",
        "toxicity",
        "severe_toxicity",
        "insult",
        "profanity",
        "threat",
        "harassment_threatening",
        "identity_attack",
        "hate_threatening",
        "sexual",
        "sexual_minors",
        "self_harm",
        "self_harm_intent",
        "self_harm_instructions",
        "violence",
        "violence_graphic",
        "illicit",
        "illicit_violent",
        "spam",
    )

    def predict(self, texts: Sequence[str]) -> list[Labels]:
        rows = self.runtime.run(texts)
        return [dict(zip(self.labels, row, strict=True)) for row in rows]
