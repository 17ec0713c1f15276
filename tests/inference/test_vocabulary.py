"""Words in order of frequency tell how likely a reading is."""

from inference.vocabulary import Vocabulary

WORDS = ("[PAD]", "##ing", "the", "cause", "garbage", "these", "those", "bake", "a", "form", "from")
VOCABULARY = Vocabulary(WORDS)


def test_the_rank_counts_words_only() -> None:
    assert [VOCABULARY.rank(word) for word in ("the", "cause", "[PAD]")] == [0, 1, None]
    assert "ing" not in VOCABULARY


def test_a_usual_ending_makes_a_known_word_a_rarer_one() -> None:
    assert {VOCABULARY.rank(word) for word in ("bakes", "baking", "baked", "baker")} == {1005}
    assert "baking" not in VOCABULARY


def test_words_worth_hiding_are_known_without_being_listed() -> None:
    assert VOCABULARY.rank("dickhead") is not None


def test_letters_are_told_apart_as_the_likeliest_words() -> None:
    assert VOCABULARY.segment("thecauseagarbage") == ["the", "cause", "a", "garbage"]
    assert VOCABULARY.segment("thexqzwvgarbage") == ["the", "xqzwv", "garbage"]


def test_of_two_words_that_are_about_as_frequent_none_is_clearly_the_best() -> None:
    assert VOCABULARY.best(["these", "those"]) == "these"
    assert VOCABULARY.best(["these", "those"], margin=2) is None
    assert VOCABULARY.best(["the", "those"], margin=2) == "the"
    assert VOCABULARY.best(["thxse"]) is None


def test_a_swap_within_a_known_word_is_no_swap() -> None:
    assert VOCABULARY.unswapped("gabrage") == "garbage"
    assert VOCABULARY.unswapped("form") is None
    assert VOCABULARY.unswapped("xyzxyz") is None


def test_a_letter_twice_for_once_or_once_for_twice_is_as_near_as_a_swap() -> None:
    assert VOCABULARY.unswapped("garbbage") == "garbage"
    assert VOCABULARY.unswapped("thesee") == "these"
    assert VOCABULARY.unswapped("forrm") is None


def test_an_unknown_word_may_be_a_known_one_with_one_other_letter() -> None:
    near = map(VOCABULARY.near, ("garbge", "garbxage", "barbage", "gabrage", "xyzxyz"))
    assert list(near) == ["garbage", "garbage", "garbage", "garbage", None]
    assert VOCABULARY.near("these") is None


def test_only_texts_with_an_unknown_word_are_in_doubt() -> None:
    assert VOCABULARY.doubts("The gabrage, from these")
    assert VOCABULARY.doubts("gbg and grbg")
    assert not VOCABULARY.doubts("The garbage, from these!")
