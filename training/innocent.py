"""Harmless texts that show what an innocent input looks like: written ones and public ones.

Most of what the public sets label is a sentence of chat or a comment. So a model that learns from
nothing else takes a bare word for a word of the lexicon, and a long or foreign text for a rant.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.harmless import harmless, written
from training.holdout import drop_held_out, is_calibration, is_validation
from training.labels import MODERATION_HEADS
from training.rows import Row, read

WORDS, FOREIGN, PERSONAL, JOINED = 5000, 7000, 2000, 5000
TURNS = (10, 20)
"""How many turns of chat a text of validation joins."""
ABUSIVE = frozenset(
    {"harm", "toxicity", "severe_toxicity", "insult", "profanity", "identity_attack",
     "hate_threatening"}
)  # fmt: skip
"""Heads on which nobody here has judged a foreign text that complains."""
BETWEEN = (" ", " ", "\n", "\n\n", ". ", " - ")
_WORD = re.compile(r"[a-z]{3,}")
_CHARGED = re.compile(
    r"kill|murder|rap(?:e|ing|ist)|sex|porn|nud[ei]|naked|nigg|fag|gay|lesb|slut|whor|bitch|fuck|"
    r"shit|cunt|dick|cock|puss|tits|\bass|arse|\banal|anus|penis|vagin|orgas|erect|breast|nipple|"
    r"suicid|\bdie|dying|dead|death|blood|gore|tortur|terror|bomb|weapon|\bguns?\b|shoot|shot|stab|"
    r"hang|drug|heroin|cocain|meth\b|nazi|jew|muslim|islam|black|white|hat(?:e|red)|stupid|idiot|"
    r"moron|ugly|loser|dumb|fool|pig|trash|crap|damn|hell\b|bastard|piss|suck|lick|horn[iy]|erot|"
    r"strip|lust|virgin|seduc|mastur|fetish|escort|prostit|brothel|viagra|casino|lotter|winner|"
    r"prize|scam|slav|retard|crippl|tramp|scum|bully|abus|assault|attack|threat|victim|corpse|"
    r"behead|massacr|genocid|slaughter|poison|explos|hack|steal|theft|cheat|freak|creep|perver|"
    r"pedo|molest|incest|lover|kiss|bod(?:y|ies)|butt|thigh|bra\b|panties|lingerie|moan|hump|"
    r"screw|bang|blow|ball|trans|queer|homo|hetero|immigra|refugee|racis|white|asian|mexic|arab|"
    r"crack|weed|addict|drunk|overdos|self|harm|hurt|pain|cut(?:ting)?\b|starv|hopeless|worthless"
)


def innocent(data: Path, words: Sequence[str], seed: int, share: float = 1.0) -> list[Row]:
    """What a run learns from: none of it is kept for validation or held out."""
    rows = [
        *written(seed, share),
        *bare_words(words, round(WORDS * share), seed, validation=False),
        *foreign(data, round(FOREIGN * share), seed, validation=False),
        *personal(data, round(PERSONAL * share), seed, validation=False),
        *joined(data, round(JOINED * share), seed),
    ]
    return drop_held_out(row for row in rows if not is_validation(row.text))


def innocent_validation(data: Path, words: Sequence[str], seed: int) -> list[Row]:
    """The same kinds of text, of which no run has seen a part: for calibration and figures."""
    rows = [
        *written(seed, 0.06, validation=True),
        *bare_words(words, 600, seed, validation=True),
        *foreign(data, 600, seed, validation=True),
        *personal(data, 200, seed, validation=True),
        *joined_validation(data, 300, seed),
    ]
    return drop_held_out({row.text: row for row in rows}.values())


def vocabulary(words: Sequence[str]) -> list[str]:
    """The tokenizer's whole words of three letters or more without those of a charged sense."""
    return sorted(each for each in words if _WORD.fullmatch(each) and not _CHARGED.search(each))


def bare_words(words: Sequence[str], wanted: int, seed: int, *, validation: bool) -> list[Row]:
    """One to three words of the vocabulary, most of them alone."""
    dice = random.Random(seed)
    able = [each for each in vocabulary(words) if is_validation(each, 8) == validation]
    texts = [
        " ".join(dice.sample(able, dice.choice((1, 1, 1, 2, 3))))
        for _ in range(wanted if able else 0)
    ]
    return [harmless(text, "word") for text in texts]


def foreign(data: Path, wanted: int, seed: int, *, validation: bool) -> list[Row]:
    """Tweets in other languages; of those that complain the abusive heads stay unknown."""
    rows = []
    for record in read(data / "umsab_sentiment.jsonl.gz"):
        if record["lang"] != "en" and is_validation(record["text"]) == validation:
            row = harmless(record["text"], f"foreign.{record['lang']}")
            rows.append(_unjudged(row) if record["labels"]["sentiment"] == "negative" else row)
    random.Random(seed).shuffle(rows)
    return rows[:wanted]


def _unjudged(row: Row) -> Row:
    known = {head: row.targets[head] for head in MODERATION_HEADS if head not in ABUSIVE}
    return Row(row.text, known, row.source, row.weight)


def personal(data: Path, wanted: int, seed: int, *, validation: bool) -> list[Row]:
    """Sentences with names, addresses and numbers of invented people."""
    records = read(data / "presidio_pii.jsonl.gz")
    texts = [r["text"] for r in records if is_validation(r["text"]) == validation]
    random.Random(seed).shuffle(texts)
    return [harmless(text, "personal", 0.5) for text in texts[:wanted]]


def joined(data: Path, wanted: int, seed: int) -> list[Row]:
    """Turns of one dialogue in a row, as one text."""
    dice = random.Random(seed)
    dialogues = [[text for _, text in r["turns"]] for r in read(data / "self_dialogue.jsonl.gz")]
    rows = []
    for turns in dice.sample(dialogues, min(wanted, len(dialogues))):
        kept = [text for text in turns if not is_validation(text)]
        first = dice.randrange(max(1, len(kept) - 4))
        text = dice.choice(BETWEEN).join(kept[first : first + dice.randint(4, 16)])
        rows.append(harmless(text, "joined"))
    return [row for row in rows if row.text.strip()]


def joined_validation(data: Path, wanted: int, seed: int) -> list[Row]:
    """Ten and twenty turns that no run has seen; a text serves the half that its turns serve."""
    dice = random.Random(seed)
    rows = []
    for half in (True, False):
        turns = sorted({text for text in _kept_turns(data) if is_calibration(text) == half})
        for count in TURNS:
            texts = _joins(turns, count, dice) if len(turns) >= count else iter(())
            alike = (text for text in texts if is_calibration(text) == half)
            rows += [
                harmless(text, f"joined{count}")
                for text, _ in zip(alike, range(wanted // 2), strict=False)
            ]
    return rows


def _kept_turns(data: Path) -> Iterator[str]:
    for record in read(data / "self_dialogue.jsonl.gz"):
        yield from (text for _, text in record["turns"] if is_validation(text))


def _joins(turns: Sequence[str], count: int, dice: random.Random) -> Iterator[str]:
    while True:
        yield dice.choice((" ", "\n")).join(dice.sample(turns, count))
