"""The texts labelled by hand are enough for every label, consistent, and known to no training."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from training import generate
from training.generate import topics
from training.handmade import handwritten
from training.holdout import fingerprint, held_out, key
from training.labelled import CONCERNS, FOLDER, Kind, LabelledText, concerned, read
from training.labels import MODERATION_LABELS, PARENTS, mentions_minor

TEXTS = read()
JUDGED = [label for label in MODERATION_LABELS if label != "sexual_minors"]
CATEGORIES = [label for label in JUDGED if label not in {"harm", "profanity", "spam"}]
TOXIC = ("insult", "identity_attack", "harassment_threatening")
GOOD = {"text": "hello", "labels": {"harm": 0}, "kind": "chat"}


def named(texts: list[LabelledText]) -> list[str]:
    return [text.text for text in texts]


def written(folder: Path, record: object, theme: str = "chat") -> Path:
    (folder / f"{theme}.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return folder


def test_every_theme_has_its_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == set(CONCERNS)


@pytest.mark.parametrize("label", JUDGED)
def test_every_label_has_enough_texts_that_concern_it(label: str) -> None:
    about = concerned(TEXTS, label)
    positives = sum(text.labels[label] for text in about)
    assert len(about) >= 150
    assert len(about) - positives >= 90
    assert positives >= 60 or label == "harm"


def test_every_kind_occurs_and_none_stands_alone() -> None:
    times = Counter(text.kind for text in TEXTS)
    assert min(times[kind] for kind in Kind) >= 5


def test_chat_is_harmless_through_and_through() -> None:
    chat = [text for text in TEXTS if text.theme == "chat"]
    assert len(chat) >= 150
    assert not [text for text in chat if any(text.labels.values())]


def test_there_are_long_texts_and_some_hide_a_harmful_sentence() -> None:
    long = [text for text in TEXTS if text.kind in {Kind.LONG, Kind.HIDDEN}]
    assert len(long) >= 40
    assert all(500 <= len(text.text) <= 2000 for text in long)
    assert sum(text.kind is Kind.HIDDEN for text in long) >= 10


def test_no_text_stands_twice() -> None:
    shown = Counter(key(text.text) or text.text for text in TEXTS)
    assert not [text for text, times in shown.items() if times > 1]


def test_no_text_is_held_out_for_the_judgement_of_finished_models() -> None:
    assert not named([text for text in TEXTS if key(text.text) and _held_out(text.text)])


def _held_out(text: str) -> bool:
    return fingerprint(text) in held_out()


def test_no_text_is_known_to_the_generators() -> None:
    templates = {key(template) for topic in topics() for template in topic.templates}
    made = {key(row.text) for row in generate.generate(3, 0.2)}
    hand = {key(row.text) for row in handwritten()}
    known = templates | made | hand
    assert not named([t for t in TEXTS if key(t.text) in known and len(t.text.split()) > 2])


def test_only_what_measures_reads_them() -> None:
    imports = re.compile(r"training\.labelled|from training import .*\blabelled\b")
    modules = FOLDER.parent.rglob("*.py")
    readers = {path.stem for path in modules if imports.search(path.read_text())}
    assert readers == {"evaluate", "goals"}


def test_no_sexual_text_speaks_of_a_minor() -> None:
    assert not named([t for t in TEXTS if t.labels.get("sexual", 1) and mentions_minor(t.text)])
    assert not any(text.labels["sexual_minors"] for text in TEXTS)


def test_some_harmless_texts_speak_of_minors() -> None:
    young = [t for t in TEXTS if mentions_minor(t.text) and t.labels.get("harm") == 0]
    assert len(young) >= 30


@pytest.mark.parametrize(("narrow", "wide"), PARENTS.items())
def test_a_narrow_label_implies_its_wider_one(narrow: str, wide: str) -> None:
    assert not named([t for t in TEXTS if t.labels.get(narrow) and not t.labels.get(wide)])


def test_what_demeans_people_is_toxic() -> None:
    demeaning = [t for t in TEXTS if any(t.labels.get(label) for label in TOXIC)]
    assert not named([t for t in demeaning if not t.labels["toxicity"]])


def test_hateful_threats_are_violence() -> None:
    hateful = [t for t in TEXTS if t.labels.get("hate_threatening")]
    assert not named([t for t in hateful if not t.labels["violence"]])


def test_harm_is_any_category_but_profanity_and_spam() -> None:
    judged = [text for text in TEXTS if "harm" in text.labels]
    assert not named([t for t in judged if t.labels["harm"] != any(map(t.labels.get, CATEGORIES))])


def test_harm_is_unclear_only_where_a_category_is() -> None:
    unclear = [text for text in TEXTS if "harm" not in text.labels]
    assert not named([text for text in unclear if set(CATEGORIES) <= set(text.labels)])
    assert not named([text for text in unclear if any(map(text.labels.get, CATEGORIES))])


def test_a_label_that_is_left_out_is_rare() -> None:
    said = sum(len(text.labels) for text in TEXTS)
    assert said >= 0.97 * len(TEXTS) * len(MODERATION_LABELS)


@pytest.mark.parametrize(
    "record",
    [
        [],
        {"labels": {}, "kind": "chat"},
        GOOD | {"text": " "},
        GOOD | {"text": 5},
        GOOD | {"kind": "nonsense"},
        GOOD | {"labels": {"kindness": 1}},
        GOOD | {"labels": {"harm": 2}},
        GOOD | {"labels": {"harm": None}},
        GOOD | {"labels": {"harm": True}},
        GOOD | {"labels": ["harm"]},
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, record: object) -> None:
    with pytest.raises(ValueError, match=r"chat\.jsonl:1"):
        read(written(tmp_path, record))


def test_a_file_of_no_theme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no known theme"):
        read(written(tmp_path, GOOD, "weather"))


def test_a_line_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text("hello\n")
    with pytest.raises(ValueError, match=r"chat\.jsonl:1 is not a labelled text"):
        read(tmp_path)


def test_a_good_line_is_read(tmp_path: Path) -> None:
    assert read(written(tmp_path, GOOD)) == [LabelledText("hello", {"harm": 0}, Kind.CHAT, "chat")]
