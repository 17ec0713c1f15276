"""Which public data sets teach what, and how much of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from training.labels import complete
from training.rows import Row, read

MODERATION_CAPS = {
    "self_dialogue": 9000, "clinc": 7000, "sgd": 1500, "goemotions_pos": 9000, "davidson": 12000,
    "jigsaw_detox": 28000, "civil_toxic_spans": 13000, "civil_weak_neg": 9000, "hateval": 6000,
    "sms": 4500, "cold": 0, "gahd": 0, "germeval2018": 0, "aart": 2000, "sap200": 900,
}  # fmt: skip
"""Rows of each source in one epoch: benign chat and news comments would drown the rest."""

SENTIMENT_GROUPS = {"positive": "positive", "negative": "negative", "neutral": "neutral"}


def moderation_rows(data: Path) -> Iterator[Row]:
    """English rows of every moderation source, with targets completed."""
    for name in ("unified_moderation", "second_wave"):
        for record in read(data / f"{name}.jsonl.gz"):
            if record["lang"] == "en":
                source = record["src"]
                targets = complete(record["y"], record["text"], source)
                yield Row(record["text"], targets, source, float(record["w"]))
    yield from _offensive_tweets(data)


def _offensive_tweets(data: Path) -> Iterator[Row]:
    for record in read(data / "tweeteval_offensive.jsonl.gz"):
        offensive = record["labels"]["offensive"] == "offensive"
        targets = complete({"toxicity": float(offensive)}, record["text"], "olid")
        targets["harm"] = 0.8 if offensive else 0.05
        yield Row(record["text"], targets, "olid", 1.0)


def sentiment_rows(data: Path) -> Iterator[Row]:
    """English rows with a sentiment."""
    for record in read(data / "semeval_sentiment.jsonl.gz"):
        yield _sentiment(record["text"], record["labels"]["sentiment"], "semeval", 1.0)
    for record in read(data / "umsab_sentiment.jsonl.gz"):
        if record["lang"] == "en":
            yield _sentiment(record["text"], record["labels"]["sentiment"], "umsab", 1.0)
    for record in read(data / "goemotions.jsonl.gz"):
        groups = {SENTIMENT_GROUPS.get(group) for group in record["labels"]["sentiment_group"]}
        if len(groups) == 1 and None not in groups:
            yield _sentiment(record["text"], str(groups.pop()), "goemotions", 0.5)


def _sentiment(text: str, label: str, source: str, weight: float) -> Row:
    targets = dict.fromkeys(SENTIMENT_GROUPS, 0.03) | {label: 0.94}
    return Row(text, targets, source, weight)
