"""Which public data sets teach what, and how much of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from training.labels import complete
from training.reread import only_read, reread
from training.rows import Row, read

MODERATION_CAPS = {
    "self_dialogue": 5000, "clinc": 8000, "sgd": 0, "goemotions_pos": 4500, "davidson": 4000,
    "jigsaw_detox": 18000, "jigsaw_5k": 5000, "civil_toxic_spans": 7000, "civil_weak_neg": 5000,
    "hateval": 2500, "olid": 10000, "edos": 2500, "eacl_misogyny": 1500, "fox_news": 1000,
    "safetext": 1000, "sms": 3000, "adversarial_nibbler": 1000, "aart": 800, "sap200": 400,
    "cold": 0, "gahd": 0, "germeval2018": 0,
}  # fmt: skip
"""Rows of each source in one epoch: benign chat and news comments would drown the rest."""

UNLABELLED = (
    "goemotions", "semeval_sentiment", "diasafety", "tweeteval_emotion", "tweeteval_irony",
)  # fmt: skip
"""Sets of which only the texts that we read are used: see `reread.py`."""

MOODS = Path(__file__).with_name("written_moods.txt")
EMOTIONS = {
    "joy": "positive", "optimism": "positive", "anger": "negative", "sadness": "negative",
}  # fmt: skip
SENTIMENT_GROUPS = {"positive": "positive", "negative": "negative", "neutral": "neutral"}


def moderation_rows(data: Path) -> Iterator[Row]:
    """English rows of every moderation source, with targets completed, or as we read them."""
    seen = set()
    for row in map(reread, _labelled(data)):
        if row.read:
            seen.add(row.text)
        yield row
    yield from (row for row in only_read(_unlabelled(data)) if row.text not in seen)


def _labelled(data: Path) -> Iterator[Row]:
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


def _unlabelled(data: Path) -> Iterator[Row]:
    """Texts of people in sets that say nothing of harm."""
    for name in UNLABELLED:
        for record in read(data / f"{name}.jsonl.gz"):
            yield Row(record["text"], {}, name)


def sentiment_rows(data: Path) -> Iterator[Row]:
    """English rows with a sentiment; those of our own count twice, for they are few."""
    for record in read(data / "semeval_sentiment.jsonl.gz"):
        yield _sentiment(record["text"], record["labels"]["sentiment"], "semeval", 1.0)
    for record in read(data / "umsab_sentiment.jsonl.gz"):
        if record["lang"] == "en":
            yield _sentiment(record["text"], record["labels"]["sentiment"], "umsab", 1.0)
    for record in read(data / "goemotions.jsonl.gz"):
        groups = {SENTIMENT_GROUPS.get(group) for group in record["labels"]["sentiment_group"]}
        if len(groups) == 1 and None not in groups:
            yield _sentiment(record["text"], str(groups.pop()), "goemotions", 0.5)
    for record in read(data / "tweeteval_emotion.jsonl.gz"):
        if label := EMOTIONS.get(record["labels"]["emotion"]):
            yield _sentiment(record["text"], label, "emotion", 0.4)
    yield from written_moods()


def written_moods(path: Path = MOODS) -> Iterator[Row]:
    """Texts of our own, in blocks under `[class.topic | class]`."""
    label = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            label = line.strip("[]").partition("|")[2].strip()
        elif line:
            yield _sentiment(line, label, "written", 2.0)


def _sentiment(text: str, label: str, source: str, weight: float) -> Row:
    targets = dict.fromkeys(SENTIMENT_GROUPS, 0.03) | {label: 0.94}
    return Row(text, targets, source, weight)
