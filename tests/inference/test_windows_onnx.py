"""Long texts are cut into windows, and each window's place is told in the original characters."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from inference import versions
from inference.versions import TOKENIZER
from inference.windows_onnx import Cut, Windows, vocabulary_of, whole
from inference.words import Span
from tests.inference import small_models

SIZE = 14
"""Words of a window: the small models read 16 tokens, of which two are marks."""
DISGUISED = (
    "good",
    "g\u200bood",
    "𝓰𝓸𝓸𝓭",
    "b\u0430d",
    "bad",
    "awfuuuul",
    "fоur",
    "one\u200b",
    "😡",
    "𝟏",
)
"""Removed marks, letters outside the Basic Multilingual Plane, look-alikes and repeats."""


def windows_of(folder: Path, reduction: str = "max", **changes: object) -> Windows:
    made = small_models.version(folder, window_reduction=reduction, **changes)
    return Windows(made / TOKENIZER, versions.load(made))


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    return windows_of(tmp_path_factory.mktemp("model"))


def read(text: str, cut: Cut) -> list[str]:
    return [text[span.start : span.end] for span in cut.spans]


def test_each_window_of_a_long_text_knows_its_characters(windows: Windows) -> None:
    words = ["good"] * SIZE + ["four"] * SIZE
    text = " ".join(words)

    cut = windows.cut(text)

    assert len(cut.windows) == 3
    assert [each.split() for each in read(text, cut)] == [words[:14], words[11:25], words[14:]]
    assert cut.spans[0].start == 0
    assert cut.spans[-1].end == len(text)


@pytest.mark.parametrize("words", [0, 1, SIZE])
def test_a_text_of_one_window_has_no_place_in_itself(windows: Windows, words: int) -> None:
    cut = windows.cut("good " * words)

    assert len(cut.windows) == 1
    assert not cut.spans


def test_windows_whose_mean_counts_have_no_places(tmp_path: Path) -> None:
    cut = windows_of(tmp_path, "mean").cut("good " * 40)

    assert len(cut.windows) == 4
    assert not cut.spans


def test_places_are_those_of_the_original_text(windows: Windows) -> None:
    """Emoji are written out and marks removed before a model reads: neither moves a place."""
    text = "🎉\u200b 𝓰𝓸𝓸𝓭 " * 10 + "go\u200b\u200bod " * 13 + "f\u200bour\u200b"

    cut = windows.cut(text)

    assert cut.spans[-1].end == len(text)
    assert read(text, cut)[-1].split() == ["go\u200b\u200bod"] * 13 + ["f\u200bour\u200b"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(DISGUISED), min_size=SIZE + 1, max_size=60))
def test_a_windows_characters_are_what_the_window_reads(windows: Windows, words: list[str]) -> None:
    text = " ".join(words)

    cut = windows.cut(text)

    for ids, part in zip(cut.windows, read(text, cut), strict=True):
        assert windows.cut(part).windows[0] == ids


@settings(deadline=None)
@given(st.text(st.characters(), min_size=20, max_size=300))
def test_places_lie_in_any_text_in_order(windows: Windows, text: str) -> None:
    spans = windows.cut(text).spans

    assert list(spans) == sorted(spans, key=lambda span: (span.start, span.end))
    assert all(0 <= span.start < span.end <= len(text) for span in spans)


def test_a_token_that_stands_for_no_character_has_a_place_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = windows_of(tmp_path)

    class Encoding:
        ids = [5] * (SIZE + 1)
        offsets = [(0, 0)] * SIZE + [(3, 3)]

    class Tokenizer:
        def encode(self, text: str, **_: object) -> Encoding:
            return Encoding()

    monkeypatch.setattr(windows, "_tokenizer", Tokenizer())

    assert list(windows.cut("abc").spans) == [Span(0, 1), Span(0, 3)]


def test_lone_surrogates_keep_their_places() -> None:
    assert whole("a\ud800b\udfff") == "a?b?"


def test_a_disguised_word_that_the_tokenizer_has_whole_is_read_as_that_word() -> None:
    [folder] = Path("plugins/models").glob("guard-mini-*")
    shipped = Windows(folder / TOKENIZER, versions.load(folder))

    assert shipped.cut("wh173 p30p13 are gabrage") == shipped.cut("white people are garbage")


def test_only_a_tokenizer_of_whole_words_and_their_pieces_has_a_vocabulary() -> None:
    numbers = {"[UNK]": 0, "the": 1, "##ing": 2, "garbage": 3}
    vocabulary = vocabulary_of(Tokenizer(models.WordPiece(numbers, unk_token="[UNK]")))

    assert vocabulary is not None
    assert [vocabulary.rank(word) for word in ("the", "garbage")] == [0, 1]
    assert vocabulary_of(Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))) is None


def test_models_of_one_family_share_their_words() -> None:
    numbers = {"[UNK]": 0, "good": 1, "bad": 2}
    one, other = (Tokenizer(models.WordPiece(numbers, unk_token="[UNK]")) for _ in range(2))

    assert vocabulary_of(one) is vocabulary_of(other)
    different = Tokenizer(models.WordPiece(numbers | {"worse": 3}, unk_token="[UNK]"))
    assert vocabulary_of(different) is not vocabulary_of(one)
