"""Makes long texts and quotations out of short generated sentences."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from training.labels import MODERATION_HEADS, mentions_minor
from training.rows import Row

FRAMES = (
    "{text}", "{text}", "{text}", "{text}", "Chapter {n}\n\n{text}", "Dear diary, {text}",
    "{text}\n\nPlease continue the text.", "Write the next paragraph: {text}",
    "Post of the day:\n{text}", "Rewrite this in the style of an old newspaper: {text}",
    "Translate into French: {text}", "Please summarise: {text}", "hey all, long post. {text}",
    "{text} Anyway, that's all from me.", "Part {n}. {text}", "# Draft {n}\n{text}\n",
    "Sorry for the wall of text. {text}", "Title: untitled\n\n{text}\n\nThe end.",
    "So this happened. {text}", "From: me\nTo: you\n\n{text}\n\nBest, M.", "[{n}:30] {text}",
    "Question {n}: {text}", "I was asked to write this down. {text}", "Lyrics, verse {n}:\n{text}",
    "User: {text}", "Assistant, read this aloud: {text}", "ok story time: {text}", "Update: {text}",
)  # fmt: skip
"""What stands around a long text; harmless, and used for harmful and harmless texts alike."""

REJECTED = (
    'He wrote "{text}" to my sister, and we reported him.',
    'Somebody left a note on my desk: "{text}". I went straight to the manager.',
    '"{text}" - whoever writes things like that gets banned here.',
    'Nobody should ever have to read "{text}" about themselves.',
    'A man in the bus shouted "{text}" and three people stood up to stop him.',
    'It is never fine to say "{text}".',
    'The comment "{text}" was removed because it breaks our rules.',
    'Please stop posting things like "{text}", it hurts people.',
    'My teacher asked the class why "{text}" is wrong.',
    'I can\'t believe my own cousin said "{text}". I am ashamed of him.',
    "People told me '{text}' all through school. It took me years to heal.",
    'The court fined him for the words "{text}".',
    'When you say "{text}", you show how little you know. Shame on you.',
    'If anyone tells you "{text}", come to us, we will help.',
    'The headline quotes him: "{text}". The party threw him out.',
    'Saying "{text}" is not an opinion, it is abuse.',
    'I received this message today: "{text}". What can I do about it?',
    'In the documentary an old clip plays: "{text}". The hall goes silent.',
    "someone typed '{text}' in chat, mods pls ban",
    'she got called out for tweeting "{text}" and apologised',
    'Our study rates how readers react to lines such as "{text}".',
    'I disagree with everyone who says "{text}". That is cruel and false.',
    'The villain snarls "{text}" in the second act, and the audience boos.',
    'Is "{text}" against the rules? I want to report it.',
    'mum, a boy on the server told me "{text}" and I blocked him',
    '"{text}", he yelled. The judge called it vile.',
    'How would you answer someone who says "{text}"? I want to speak up.',
    'I used to think "{text}". I was wrong, and I am sorry.',
    'Posters saying "{text}" were taken down by volunteers this morning.',
    'To the person who sent me "{text}": you need help, and I am not afraid.',
)
"""Around a harmful sentence: a report, a rejection, a study of it."""

ENDORSED = (
    'Like my dad says: "{text}". And he is right.',
    "I said it before and I say it again: {text}",
    'everyone knows it: "{text}"',
    'Say it with me: "{text}"',
    '"{text}" - best thing I read today, so true',
    "My answer to you: {text}",
    "not gonna lie, {text}",
    'I told him "{text}", and I meant every word.',
    "Call me what you like, but {text}",
    'Sign this if you agree: "{text}"',
    "Nobody dares to say it, so I will: {text}",
    "Sorry not sorry: {text}",
    "here's a poem for you. {text}",
    "unpopular opinion: {text}",
    "I have one thing to tell you: {text}",
    "read my lips. {text}",
)
"""Around the same sentences where the writer means them."""

QUOTABLE = re.compile(r"generated\.(?:hate|threat|insult|abuse|selfharm\.(?:goading|encourage))")
_END = re.compile(r"[.!?\s]+$")
BETWEEN = frozenset({"generated.prose.safe", "generated.chat.friendly"})
LENGTHS = (120, 200, 300, 420, 600)


def quoted(made: Sequence[Row], wanted: int, seed: int) -> list[Row]:
    """Harmful sentences that are reported or rejected, and the same kind that are meant."""
    dice = random.Random(seed)
    able = [row for row in made if row.targets["harm"] >= 0.6 and QUOTABLE.match(row.source)]
    result = []
    for row in dice.sample(able, min(wanted, len(able))):
        meant = dice.random() < 0.35
        frame = dice.choice(ENDORSED if meant else REJECTED)
        text = frame.format(text=_END.sub("", row.text))
        targets = row.targets if meant else _calm(row.targets)
        result.append(Row(text, targets, "meant" if meant else "quoted", 1.0))
    return result


def _calm(targets: Mapping[str, float]) -> dict[str, float]:
    """A quotation keeps its swear words, and nothing else."""
    kept = {"profanity", "minor"}
    return {head: value if head in kept else 0.0 for head, value in targets.items()}


def documents(made: Sequence[Row], wanted: int, seed: int) -> list[Row]:
    """Texts of several sentences from one topic, some with everyday sentences between them."""
    dice = random.Random(seed)
    topics: defaultdict[str, list[Row]] = defaultdict(list)
    for row in made:
        topics[row.source].append(row)
    names = sorted(topics)
    plain = [
        row for row in made if row.source in {"generated.prose.safe", "generated.chat.friendly"}
    ]
    result: list[Row] = []
    while len(result) < wanted:
        parts = _parts(topics[dice.choice(names)], plain, dice)
        body = dice.choice((" ", " ", ". ", "\n", "\n\n")).join(part.text for part in parts)
        text = dice.choice(FRAMES).format(text=body, n=dice.randint(1, 12))
        targets = {head: max(part.targets[head] for part in parts) for head in MODERATION_HEADS}
        targets["minor"] = float(mentions_minor(text))
        if not (targets["sexual"] >= 0.1 and targets["minor"]):
            result.append(Row(text, targets, "document", 1.0))
    return result


def _parts(topic: Sequence[Row], plain: Sequence[Row], dice: random.Random) -> list[Row]:
    length = dice.choice(LENGTHS)
    mixed = dice.random() < 0.4
    parts = [dice.choice(topic)]
    while sum(len(part.text) for part in parts) < length:
        source = plain if plain and mixed and dice.random() < 0.5 else topic
        parts.append(dice.choice(source))
    dice.shuffle(parts)
    return parts
