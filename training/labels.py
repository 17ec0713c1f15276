"""Names of the labels and heads, and how each source's labels become targets."""

from __future__ import annotations

import re
from collections.abc import Mapping

MODERATION_LABELS = (
    "harm", "toxicity", "severe_toxicity", "insult", "profanity", "threat",
    "harassment_threatening", "identity_attack", "hate_threatening", "sexual",
    "sexual_minors", "self_harm", "self_harm_intent", "self_harm_instructions",
    "violence", "violence_graphic", "illicit", "illicit_violent", "spam",
)  # fmt: skip
"""What the moderation model answers, in order."""

MODERATION_HEADS = tuple("minor" if n == "sexual_minors" else n for n in MODERATION_LABELS)
"""What it is trained on; `minor`, a mention of one, stands where `sexual_minors` is computed."""

SENTIMENT_LABELS = ("negative", "neutral", "positive")

HARMLESS = frozenset({"harm", "profanity", "spam", "minor"})
"""Heads that say nothing about harm."""

PARENTS = {
    "severe_toxicity": "toxicity",
    "insult": "toxicity",
    "harassment_threatening": "threat",
    "hate_threatening": "identity_attack",
    "self_harm_intent": "self_harm",
    "self_harm_instructions": "self_harm",
    "violence_graphic": "violence",
    "illicit_violent": "illicit",
}
"""Narrow head to the wider one that it implies."""

CLEAN_SOURCES = frozenset(
    {"clinc", "sgd", "self_dialogue", "goemotions_pos", "coconot_contrast", "fuzzyai_benign"}
)
"""Sources in which no category applies to any text."""

HARM_CONFIDENCE = {
    "ailuminate": 0.75, "jigsaw_detox": 0.9, "sap200": 0.9, "adversarial_nibbler": 0.8,
    "harmfulqa": 0.7, "aart": 0.8, "hateval": 0.85, "eacl_misogyny": 0.85,
    "purplellama_interp": 0.8,
}  # fmt: skip
"""Soft target of `harm` for positives of sources that label a topic or label noisily."""

MISTAKEN: Mapping[str, tuple[str, ...]] = {
    "civil_toxic_spans": ("threat", "identity_attack", "hate_threatening")
}
"""Heads of which a set's positives are no positives by our definitions: of 128 of these texts that
are threats to their set the reader of `reread.py` found 5 so, of 60 attacks on identity 8."""

IMPORTANCE = {"harm": 2.0, "toxicity": 1.5, "identity_attack": 1.5}
"""How much a head counts in the loss, where it is not 1."""

BOOST = dict.fromkeys(
    ("severe_toxicity", "harassment_threatening", "hate_threatening", "sexual", "self_harm",
     "self_harm_intent", "self_harm_instructions", "violence_graphic", "illicit_violent", "spam",
     "threat"),
    2.5,
)  # fmt: skip
"""How much a positive of a rare head counts against a negative."""

_MINOR = re.compile(
    r"\b(?:minors?|under-?age[d]?|child(?:ren)?|kids?|toddlers?|infants?|babys?|babies|teens?|"
    r"teenage[rd]?s?|preteens?|schoolgirls?|schoolboys?|school ?kids?|pupils?|kindergarten|"
    r"juveniles?|middle school|high school(?:er)?s?|freshman year|little (?:girl|boy)s?|"
    r"(?:[1-9]|1[0-7])[ -]?(?:yo|y/o|years?[ -]olds?)|(?:[1-9]|1[0-7])(?:st|nd|rd|th) grade\w*)\b",
    re.IGNORECASE,
)


def mentions_minor(text: str) -> bool:
    """A rule's answer to whether the text speaks of someone under age; teaches the head `minor`."""
    return _MINOR.search(text) is not None


def complete(targets: Mapping[str, float], text: str, source: str) -> dict[str, float]:
    """Heads to targets, with everything that follows from what is known."""
    known = {("profanity" if k == "obscene" else k): float(v) for k, v in targets.items()}
    known.pop("sexual_minors", None)
    for head in MISTAKEN.get(source, ()):
        if known.get(head, 0.0) > 0.0:
            del known[head]
    if source in CLEAN_SOURCES:
        known = dict.fromkeys(MODERATION_HEADS, 0.0) | known
    _imply(known)
    known["minor"] = float(mentions_minor(text))
    if "harm" not in known:
        _judge_harm(known, source)
    return known


def _imply(known: dict[str, float]) -> None:
    for narrow, wide in PARENTS.items():
        if known.get(narrow, 0.0) >= 0.5:
            known[wide] = max(known[narrow], known.get(wide, 0.0))
        if known.get(wide) == 0.0:
            known.setdefault(narrow, 0.0)


def _judge_harm(known: dict[str, float], source: str) -> None:
    categories = [value for head, value in known.items() if head not in HARMLESS]
    worst = max(categories, default=0.0)
    if worst >= 0.5:
        known["harm"] = min(worst, HARM_CONFIDENCE.get(source, 1.0))
    elif known.get("toxicity") == 0.0:
        known["harm"] = 0.0
