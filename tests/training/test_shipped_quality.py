"""The moderation model that ships is as good as its card says, and decides alone as in company."""

import random
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.bare import folders
from inference import versions
from inference.runtime_onnx import Execution, OnnxRuntime
from inference.types import Scores
from policy.defaults import DEFAULT_POLICY
from policy.policy import Action, decide
from tests.shipped import shipped_scorer
from training.calibrate import average_precision
from training.labelled import CONCERNS, LabelledText, read
from training.labels import MODERATION_LABELS

pytestmark = pytest.mark.timeout(300)  # Half a minute of processor time, also beside other tests.
Rows = list[list[float]]
Decided = tuple[Action, tuple[str, ...]]
"""What happens to a text, and the rules that fired."""

TEXTS = read()
FLOORS = {
    "harm": 0.946,
    "toxicity": 0.965,
    "severe_toxicity": 0.985,
    "insult": 0.935,
    "profanity": 0.87,
    "threat": 0.93,
    "harassment_threatening": 0.91,
    "identity_attack": 0.97,
    "hate_threatening": 0.93,
    "sexual": 0.955,
    "self_harm": 0.95,
    "self_harm_intent": 0.79,
    "self_harm_instructions": 0.895,
    "violence": 0.965,
    "violence_graphic": 0.935,
    "illicit": 0.945,
    "illicit_violent": 0.93,
    "spam": 0.97,
}
"""Average precision of each label, a little below what its card says."""
PADDED = Execution(max_batch_tokens=512)
"""Runs four times as large as a worker's, so that long texts pad short ones."""
LONG = "The meeting was moved to Thursday, because the room was taken by another group. " * 8


@pytest.fixture(scope="module")
def alone() -> Rows:
    """The model's scores of each text, each in a run of its own."""
    runtime = opened(Execution())
    return [row for text in TEXTS for row in runtime.run([text.text])]


def opened(execution: Execution) -> OnnxRuntime:
    folder = folders()[0]
    return OnnxRuntime(folder, versions.load(folder), execution)


def column(rows: Rows, label: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Judgements and scores of the texts that concern a label."""
    about = [number for number, text in enumerate(TEXTS) if concerns(text, label)]
    judged = np.array([TEXTS[number].labels[label] for number in about], dtype=np.float64)
    place = MODERATION_LABELS.index(label)
    return judged, np.array([rows[number][place] for number in about], dtype=np.float64)


def concerns(text: LabelledText, label: str) -> bool:
    return label in text.labels and (label == "harm" or label in CONCERNS[text.theme])


def decided(row: list[float]) -> Decided:
    scores = Scores({"moderation": dict(zip(MODERATION_LABELS, row, strict=True))}, {})
    decision = decide(scores, DEFAULT_POLICY)
    return decision.action, tuple(reason.rule for reason in decision.reasons)


def batches(dice: random.Random) -> Iterator[list[int]]:
    """Every text once, in no order, in batches of 1 to 16."""
    left = dice.sample(range(len(TEXTS)), len(TEXTS))
    while left:
        size = dice.randint(1, 16)
        yield left[:size]
        left = left[size:]


def test_every_judged_label_has_a_floor() -> None:
    assert set(FLOORS) == set(MODERATION_LABELS) - {"sexual_minors"}


@pytest.mark.parametrize(("label", "floor"), FLOORS.items())
def test_a_label_ranks_the_texts_that_concern_it_as_well_as_its_card_says(
    alone: Rows, label: str, floor: float
) -> None:
    assert average_precision(*column(alone, label)) >= floor


def test_harm_is_found_and_seldom_where_there_is_none(alone: Rows) -> None:
    judged, scores = column(alone, "harm")
    flagged = scores >= 0.5
    caught = float(judged[flagged].sum())

    assert caught / judged.sum() >= 0.815
    assert caught / flagged.sum() >= 0.915


def test_a_text_gets_the_same_decision_alone_and_in_any_company(alone: Rows) -> None:
    dice, runtime = random.Random(1), opened(PADDED)
    different = []
    for batch in batches(dice):
        neighbours = [LONG] * (dice.random() < 0.3)
        rows = runtime.run([*neighbours, *(TEXTS[number].text for number in batch)])
        for number, row in zip(batch, rows[len(neighbours) :], strict=True):
            if decided(row) != decided(alone[number]):
                different.append(TEXTS[number].text)

    assert not different


MOODS = {
    "The meeting is at nine": "neutral",
    "We arrive on Friday and leave on Sunday": "neutral",
    "The new season starts in October": "neutral",
    "I love this song so much": "positive",
    "What a wonderful day with my friends": "positive",
    "Worst service I have ever had": "negative",
    "I am so sad that the show is over": "negative",
}


@pytest.mark.parametrize(
    "form",
    [
        "@user @user {}",
        "{} http://t.example/a8Fk2Lq0",
        "@Kate_Miller88 {} http",
        "RT @user: {} URL",
    ],
)
def test_the_mood_of_a_tweet_is_that_of_its_words(form: str) -> None:
    runtime = OnnxRuntime(folders()[1], versions.load(folders()[1]))
    masked = np.array(runtime.run([form.format(text) for text in MOODS]))

    assert [runtime.labels[best] for best in masked.argmax(axis=1)] == list(MOODS.values())


def test_a_link_that_was_taken_out_is_no_offence(alone: Rows) -> None:
    harmless = [n for n, text in enumerate(TEXTS) if text.labels.get("harm") == 0][:200]
    rows = opened(Execution()).run([f"{TEXTS[number].text} URL" for number in harmless])

    assert [row[0] for row in rows] == pytest.approx([alone[n][0] for n in harmless], abs=1e-4)


@pytest.mark.parametrize(
    "text", ["hello @StupidBitch", "hello @killyourself", "http://x.example/killyourselffaggot"]
)
def test_an_insult_in_a_name_is_an_insult(text: str) -> None:
    [row] = opened(Execution()).run([text])
    assert row[0] >= 0.5


@pytest.mark.parametrize(
    "text",
    [
        "Gestern sind wir mit dem Zug ans Meer gefahren und haben den Tag am Strand verbracht.",
        "Hier nous avons pris le train pour aller à la mer et nous avons dormi sur la plage.",
        "Ayer fuimos en tren hasta la costa y pasamos todo el día en la playa con los niños.",
    ],
    ids=["German", "French", "Spanish"],
)
@pytest.mark.parametrize("plugin", ["moderation", "sentiment"])
def test_each_model_that_ships_owns_up_to_knowing_english_only(plugin: str, text: str) -> None:
    english = "Yesterday we took the train to the sea and spent the whole day on the beach."

    foreign, known = shipped_scorer().only({plugin}).score([text * 10, english * 10])

    assert (foreign.low_confidence, known.low_confidence) == (True, False)
