"""The moderation model that ships stays calm at a word, a name, code, and long harmless texts.

Its labels took bare words for words of a lexicon and long chat for a rant. No text of these tests
was learnt: words, options and sentences come from the side kept for validation, and the chat from
the texts labelled by hand.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from benchmarks.bare import folders
from inference import versions
from inference.runtime_onnx import OnnxRuntime
from training.calm import kind_of
from training.harmless import written
from training.innocent import bare_words
from training.labelled import Kind, read
from training.labels import MODERATION_LABELS
from training.rows import Row

pytestmark = pytest.mark.timeout(300)
FOLDER = folders()[0]
SHARE = 0.12
"""Of innocent texts of a kind, so many at most may reach 0.5 on any label."""
LONG = 0.06
"""Of texts of ten or twenty harmless messages, so many at most may reach 0.5 on `harm`."""
SHORT_KINDS = (
    "word", "short name", "short noun", "short verb", "short place", "short greeting",
    "short number", "short file", "code", "technical",
)  # fmt: skip
OTHER_LANGUAGES = [
    "Gestern sind wir ans Meer gefahren.", "Ich habe heute leider keine Zeit.",
    "Wir treffen uns um acht vor dem Kino.", "Das Wetter soll am Sonntag besser werden.",
    "Hier nous avons dormi sur la plage.", "Le train de neuf heures est en retard.",
    "Ma soeur apprend le piano depuis un an.", "Il fait beau, on mange dehors ce soir.",
    "Ayer fuimos en tren hasta la costa.", "Mi hermano trabaja en una panadería.",
    "La reunión empieza a las diez.", "¿Dónde compraste esas naranjas?",
    "Domani andiamo al mercato con la nonna.", "Il libro è sul tavolo in cucina.",
    "Amanhã vamos visitar o museu.", "O café da esquina abre às sete.",
    "ذهبنا أمس إلى السوق مع أمي", "الطقس جميل اليوم في المدينة", "وصل القطار متأخرا هذا الصباح",
    "मेरा भाई कल दिल्ली जा रहा है", "आज मौसम बहुत अच्छा है", "हम शाम को चाय पिएंगे",
]  # fmt: skip


def scores(texts: Sequence[str]) -> NDArray[np.float64]:
    """One row of probabilities a text."""
    runtime = OnnxRuntime(FOLDER, versions.load(FOLDER))
    return np.array(runtime.run(list(texts)), dtype=np.float64)


def shares(texts: Sequence[str]) -> dict[str, float]:
    """The share of these texts that reaches 0.5 on each label."""
    return dict(zip(MODERATION_LABELS, (scores(texts) >= 0.5).mean(axis=0).tolist(), strict=True))


@pytest.fixture(scope="module")
def by_kind() -> dict[str, list[str]]:
    words = sorted(Tokenizer.from_file(str(FOLDER / "tokenizer.json")).get_vocab())
    rows: list[Row] = [
        *written(5, 0.08, validation=True),
        *bare_words(words, 400, 5, validation=True),
    ]
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[kind_of(row.source)].append(row.text)
    return found


@pytest.mark.parametrize("kind", SHORT_KINDS)
def test_an_innocent_input_is_seldom_anything(by_kind: dict[str, list[str]], kind: str) -> None:
    texts = by_kind[kind]
    found = {label: share for label, share in shares(texts).items() if share > SHARE}

    assert len(texts) >= 40
    assert not found


def test_another_language_is_neither_lewd_nor_spam() -> None:
    found = shares(OTHER_LANGUAGES)

    assert {label for label, share in found.items() if share > 0.1} == set()


@pytest.mark.parametrize("count", [10, 20])
def test_harmless_chat_is_not_harmful_by_its_length(count: int) -> None:
    dice = random.Random(7)
    chat = [
        text.text for text in read() if text.kind == Kind.CHAT and not any(text.labels.values())
    ]
    quiet = [text for text, row in zip(chat, scores(chat), strict=True) if row[0] < 0.5]
    texts = ["\n".join(dice.sample(quiet, count)) for _ in range(150)]

    assert len(quiet) > 200
    assert float((scores(texts)[:, 0] >= 0.5).mean()) <= LONG


def test_prose_on_bodies_is_not_lewd(by_kind: dict[str, list[str]]) -> None:
    found = shares(by_kind["prose"])

    assert found["sexual"] <= 0.2
    assert found["harm"] <= 0.05
