"""Makes contrast out of real rows: swapped groups, mixed paragraphs, words in carriers."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from training.generate import slots
from training.labels import MODERATION_HEADS, mentions_minor
from training.rows import Row, read

FORMS = (
    (
        "gay", "lesbian", "trans", "transgender", "bisexual", "queer", "homosexual", "straight",
        "muslim", "jewish", "christian", "hindu", "sikh", "buddhist", "atheist", "black", "white",
        "asian", "latino", "mexican", "chinese", "indian", "arab", "african", "american",
        "european", "japanese", "hispanic", "nigerian", "pakistani", "russian", "deaf", "blind",
        "disabled", "female", "male",
    ),
    (
        "gays", "lesbians", "muslims", "jews", "christians", "hindus", "blacks", "whites", "asians",
        "latinos", "mexicans", "arabs", "africans", "americans", "indians", "immigrants",
        "refugees", "women", "men", "migrants", "catholics", "feminists",
    ),
)  # fmt: skip
_FORM_OF = {term: form for form in FORMS for term in form}
_TERM = re.compile(r"\b(?:" + "|".join(sorted(_FORM_OF, key=len, reverse=True)) + r")\b", re.I)
_AMBIGUOUS = frozenset(
    {"black", "white", "straight", "blind", "male", "female", "american", "whites"}
)
_YOUNG = re.compile(r"b[a@]!?i?t\b|loli|p[ae]d+o|kid|bab[ey]|young|virgin", re.I)

HIDDEN = 0.35
"""The share of mixed paragraphs in which something harmful hides."""
CARRIERS = {
    "profanity": (("{word}", 0.0), ("oh {word}", 0.0), ("{word} that was close", 0.0)),
    "identity": (
        ("you {word}", 1.0), ("{word}", 0.85), ("fucking {word}", 1.0), ("what a {word}", 1.0),
        ("get out of here you {word}", 1.0), ("go home {word}", 1.0),
    ),
    "insult": (("you {word}", 1.0), ("what a {word}", 0.9), ("shut up {word}", 1.0)),
    "sexual": (("{word}", 0.5), ("I want {word} now", 1.0), ("show me your {word}", 0.9)),
}  # fmt: skip
OPENINGS = (
    "As a {one}, I have to say: {text}", "My {one} friend wrote: {text}",
    "{text} Greetings from a {one}.",
    "I'm {adj}. {text}", "A {one} asked me this: {text}", "{text} My {adj} colleague says so too.",
)  # fmt: skip


def swapped(rows: Iterable[Row], wanted: int, seed: int) -> list[Row]:
    """Rows whose group is another one now, with the same targets."""
    dice = random.Random(seed)
    able = [row for row in rows if _groups(row.text)]
    dice.shuffle(able)
    return [swap(row, dice) for row in able[:wanted]]


def swap(row: Row, dice: random.Random) -> Row:
    """One row with each group it names replaced, always by the same other group."""
    chosen = {
        term: dice.choice([form for form in _FORM_OF[term] if form != term])
        for term in sorted(_groups(row.text))
    }

    def other(match: re.Match[str]) -> str:
        return chosen.get(match[0].lower(), match[0])

    return Row(_TERM.sub(other, row.text), row.targets, f"swapped.{row.source}", row.weight)


def _groups(text: str) -> set[str]:
    return {found.lower() for found in _TERM.findall(text)} - _AMBIGUOUS


def introduced(rows: Sequence[Row], wanted: int, seed: int) -> list[Row]:
    """Harmless rows said by, or to, a member of a group."""
    dice = random.Random(seed)
    ones, adjectives = slots()["one"], slots()["adj_id"]
    result = []
    for row in dice.sample(rows, min(wanted, len(rows))):
        pattern = dice.choice(OPENINGS)
        text = pattern.format(one=dice.choice(ones), adj=dice.choice(adjectives), text=row.text)
        result.append(Row(text, row.targets, "introduced", row.weight))
    return result


def mixed(clean: Sequence[Row], harmful: Sequence[Row], wanted: int, seed: int) -> list[Row]:
    """Paragraphs of several rows; a third hide harmful rows of one kind among harmless ones.

    With a larger share, length itself is learnt as a sign of harm.
    No paragraph brings a sexual row together with a mention of a minor.
    """
    dice = random.Random(seed)
    result: list[Row] = []
    while len(result) < wanted:
        parts = dice.sample(clean, dice.randint(1, 5))
        if dice.random() < HIDDEN:
            _hide(parts, harmful, dice)
        text = dice.choice((" ", " ", "\n", ". ")).join(part.text.strip() for part in parts)
        targets = _joined(parts)
        if not (targets.get("sexual", 0.0) >= 0.1 and mentions_minor(text)):
            result.append(Row(text, targets, "mixed", 1.0))
    return result


def _hide(parts: list[Row], harmful: Sequence[Row], dice: random.Random) -> None:
    first = dice.choice(harmful)
    more = [row for row in dice.choices(harmful, k=8) if row.source == first.source]
    for row in [first, *more[:2]]:
        parts.insert(dice.randint(0, len(parts)), row)


def _joined(parts: Sequence[Row]) -> dict[str, float]:
    """A head is known where some part has it, or where every part is known."""
    found: dict[str, float] = {}
    for head in MODERATION_HEADS:
        values = [part.targets[head] for part in parts if head in part.targets]
        if len(values) == len(parts) or (values and max(values) >= 0.5):
            found[head] = max(values)
    return found


def lexicon_rows(data: Path, seed: int) -> list[Row]:
    """Profane words and slurs of the lexicon in short sentences, by category and severity."""
    dice = random.Random(seed)
    rows = []
    for record in read(data / "surge_profanity_lexicon.jsonl.gz"):
        if mentions_minor(record["text"]) or _YOUNG.search(record["text"]):
            continue
        kind = _kind(record["labels"]["category"])
        severity = min(record["labels"]["severity"] / 2.5, 1.0)
        for carrier, strength in dice.sample(CARRIERS[kind], 2):
            text = carrier.format(word=record["text"])
            rows.append(Row(text, _lexicon_targets(kind, severity * strength), "lexicon", 0.6))
    return rows


def _kind(categories: Sequence[str]) -> str:
    names = " ".join(categories)
    if "slurs" in names or "orientation" in names or "disability" in names:
        return "identity"
    if "sexual anatomy" in names:
        return "sexual"
    return "insult" if "insult" in names or "physical" in names else "profanity"


def _lexicon_targets(kind: str, strength: float) -> dict[str, float]:
    heads = dict.fromkeys(("threat", "self_harm", "illicit", "spam", "violence"), 0.0)
    heads |= {"profanity": 1.0, "toxicity": strength, "harm": strength}
    if kind == "identity":
        heads |= {"identity_attack": strength, "insult": strength}
    if kind == "insult":
        heads |= {"insult": strength, "sexual": 0.0}
    if kind == "sexual":
        heads |= {"sexual": max(strength, 0.4)}
    return heads
