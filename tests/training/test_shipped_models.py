"""The model folders in the repository are whole, agree with themselves, and hold no surprises."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.normalisation import normalise
from training.labels import MODERATION_LABELS, PARENTS, SENTIMENT_LABELS

MODELS = Path(__file__).parents[2] / "plugins" / "models"
(GUARD,), (MOOD,) = MODELS.glob("guard-mini-*"), MODELS.glob("sentiment-mini-*")
TEXTS = [
    "hello there", "I love this so much, thank you!", "you are a stupid idiot",
    "I will find you and kill you", "the train leaves at nine", "ok", "what a terrible film",
    "How do I bake bread at home? My oven is old and the recipe asks for steam. " * 4,
    "k1ll y0u", "", "Привет, как дела?", "😂😂😂", "buy cheap watches at http://bit.ly/x8d2",
]  # fmt: skip


@cache
def opened(folder: Path) -> tuple[ort.InferenceSession, Tokenizer]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    runtime = ort.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return runtime, Tokenizer.from_file(str(folder / "tokenizer.json"))


def judge(folder: Path, texts: list[str], extra: int = 0) -> NDArray[np.float32]:
    runtime, tokenizer = opened(folder)
    tokens = [tokenizer.encode(normalise(text).text).ids[:128] for text in texts]
    width = max(map(len, tokens)) + extra
    numbers = np.zeros((len(texts), width), dtype=np.int64)
    mask = np.zeros_like(numbers)
    for row, ids in enumerate(tokens):
        numbers[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    answer = runtime.run(["probabilities"], {"input_ids": numbers, "attention_mask": mask})
    return np.asarray(answer[0], dtype=np.float32)


def scores(text: str) -> dict[str, float]:
    return dict(zip(MODERATION_LABELS, judge(GUARD, [text])[0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("folder", "labels", "plugin"),
    [(GUARD, MODERATION_LABELS, "moderation"), (MOOD, SENTIMENT_LABELS, "sentiment")],
)
def test_the_manifest_tells_the_truth(folder: Path, labels: tuple[str, ...], plugin: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert tuple(manifest["labels"]) == labels
    assert manifest["plugin"] == plugin
    assert folder.name == f"{manifest['name']}-{manifest['version']}"
    for name, digest in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert len(content) < 50_000_000


@pytest.mark.parametrize("folder", [GUARD, MOOD])
def test_the_tokenizer_neither_pads_nor_cuts(folder: Path) -> None:
    tokenizer = opened(folder)[1]
    assert tokenizer.padding is None
    assert tokenizer.truncation is None
    assert len(tokenizer.encode("word " * 900).ids) == 902


@pytest.mark.parametrize("folder", [GUARD, MOOD])
@given(
    picks=st.lists(st.sampled_from(range(len(TEXTS))), min_size=1, max_size=16),
    extra=st.sampled_from([0, 0, 3, 30]),
)
@settings(max_examples=25, deadline=None)
def test_a_score_does_not_depend_on_its_neighbours(
    folder: Path, picks: list[int], extra: int
) -> None:
    together = judge(folder, [TEXTS[i] for i in picks], extra)
    alone = np.concatenate([judge(folder, [TEXTS[i]]) for i in picks])
    assert float(np.abs(together - alone).max()) < 1e-3


@pytest.mark.parametrize("folder", [GUARD, MOOD])
def test_scores_are_probabilities(folder: Path) -> None:
    found = judge(folder, TEXTS)
    assert found.min() >= 0.0
    assert found.max() <= 1.0


def test_sentiments_sum_to_one() -> None:
    assert np.allclose(judge(MOOD, TEXTS).sum(axis=1), 1.0, atol=1e-4)


@pytest.mark.parametrize("text", TEXTS)
def test_no_label_is_above_the_one_that_it_implies(text: str) -> None:
    found = scores(text)
    assert all(found[narrow] <= found[wide] + 1e-6 for narrow, wide in PARENTS.items())
    assert found["sexual_minors"] <= found["sexual"] + 1e-6


@pytest.mark.parametrize(
    "text",
    ["hello there, how are you?", "I love this so much, thank you!", "have a great day everyone",
     "My brother and his husband adopted a dog.", "gg, well played"],
)  # fmt: skip
def test_a_friendly_message_scores_near_zero(text: str) -> None:
    assert max(scores(text).values()) < 0.1


@pytest.mark.parametrize(
    "text", ["I will find you and kill you", "I w1ll f1nd you and k i l l you"]
)
def test_a_death_threat_scores_high_even_in_disguise(text: str) -> None:
    found = scores(text)
    assert found["harm"] > 0.8
    assert found["threat"] > 0.7
    assert found["harassment_threatening"] > 0.5


@pytest.mark.parametrize("sign", ["\u2800", "\u02d9", "\u00af", "\u2219", "\u20dd", "\ue000"])
def test_no_sign_makes_a_word_unknown(sign: str) -> None:
    text = normalise(f"{sign}kill{sign}yourself{sign} now").text
    for folder in (GUARD, MOOD):
        assert "[UNK]" not in opened(folder)[1].encode(text).tokens


def test_moods_are_told_apart() -> None:
    happy, angry, plain = judge(
        MOOD, ["I love this, best day ever", "worst service ever, I hate it", "the bus leaves at 9"]
    ).argmax(axis=1)
    assert [SENTIMENT_LABELS[i] for i in (happy, angry, plain)] == [
        "positive",
        "negative",
        "neutral",
    ]
