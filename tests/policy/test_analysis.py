"""Lines in, judged lines out: one for each, in order, whatever the lines are."""

import io
import json
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from inference.lines import MAX_LINE_BYTES
from inference.types import Scores
from inference.words import Span
from policy import analysis
from policy.analysis import Judge
from policy.policy import Action, Policy, Rule

POLICY = Policy("test", 1, (Rule("rudeness", "manners", "rude", 0.5, Action.BLOCK),))


class FakeScorer:
    """Calls a text rude when it contains `awful`."""

    def score(self, texts: Sequence[str]) -> list[Scores]:
        return [
            Scores(
                {"manners": {"rude": 0.91234567 if "awful" in text else 0.1}}, {"manners": "m@1"}
            )
            for text in texts
        ]

    def only(self, plugins: Collection[str]) -> "FakeScorer":
        assert set(plugins) <= {"manners"}
        return self


class BrokenScorer:
    """Has no plugin that works."""

    def score(self, texts: Sequence[str]) -> list[Scores]:
        return [Scores({}, {}, {"manners": "checksum differs"}) for _ in texts]

    def only(self, plugins: Collection[str]) -> "BrokenScorer":
        raise AssertionError(f"nothing is to be explained with {plugins}")


def analyse(
    content: bytes, scorer: analysis.Scorer | None = None, *, why: bool = False
) -> list[dict[str, Any]]:
    by = Judge(scorer or FakeScorer(), POLICY, why)
    batches = analysis.batches(analysis.read(io.BytesIO(content)))
    judged = [each for batch in batches for each in analysis.judge(batch, by)]
    found = [json.loads(each.text) for each in judged]
    assert [each.failed for each in judged] == ["error" in each for each in found]
    assert sum(each.size for each in judged) == len(content)
    return found


def test_a_line_is_judged_with_reasons_scores_and_models() -> None:
    (line,) = analyse(b'{"id": "7", "text": "awful"}\n')

    assert line == {
        "id": "7",
        "action": "block",
        "reasons": [{"rule": "rudeness", "label": "rude", "score": 0.9123}],
        "scores": {"manners": {"rude": 0.9123}},
        "models": {"manners": "m@1"},
    }


def test_a_line_says_which_passage_of_a_long_text_decided() -> None:
    class Placing(FakeScorer):
        def score(self, texts: Sequence[str]) -> list[Scores]:
            passages = {"manners": {"rude": Span(3, 9)}}
            return [replace(each, passages=passages) for each in super().score(texts)]

    (line,) = analyse(b"so awful\n", Placing())

    assert line["reasons"] == [
        {"rule": "rudeness", "label": "rude", "score": 0.9123, "passage": [3, 9]}
    ]


def test_flagged_lines_name_the_words_that_drove_them_where_asked() -> None:
    content = "so very 😡 awful, my dear\ngood day\n".encode()

    flagged, allowed = analyse(content, why=True)

    assert flagged["why"] == [{"label": "rude", "start": 10, "end": 15}]
    assert "why" not in allowed
    assert all("why" not in line for line in analyse(content))


def test_a_line_in_a_language_that_no_plugin_knows_is_marked() -> None:
    class Unsure(FakeScorer):
        def score(self, texts: Sequence[str]) -> list[Scores]:
            return [replace(each, low_confidence=True) for each in super().score(texts)]

    (line,) = analyse(b"awful\n", Unsure())

    assert line["low_confidence"] is True
    assert line["action"] == "block"


def test_a_line_that_no_score_decided_has_no_words_to_name() -> None:
    class Gone(FakeScorer):
        def score(self, texts: Sequence[str]) -> list[Scores]:
            return [Scores({"other": {"odd": 0.1}}, {}, {"manners": "broken"}) for _ in texts]

    (line,) = analyse(b"awful", Gone(), why=True)

    assert (line["action"], line["why"]) == ("hold", [])


def test_plain_lines_are_called_by_their_number() -> None:
    lines = analyse("good day\r\nawful\n\n¡hola!".encode())

    assert [line["id"] for line in lines] == ["1", "2", "3", "4"]
    assert [line.get("action") for line in lines] == ["allow", "block", None, "allow"]
    assert lines[2]["error"] == {"code": "bad_frame", "detail": "line 3 has no text"}


@pytest.mark.parametrize(
    ("line", "id", "code"),
    [
        pytest.param(b"not json", None, "bad_frame", id="not JSON"),
        pytest.param(b"", None, "bad_frame", id="empty"),
        pytest.param(b"[1]", None, "bad_frame", id="a list"),
        pytest.param(b"[" * 10_000, None, "bad_frame", id="10,000 brackets"),
        pytest.param(b'"text"', None, "bad_frame", id="a text"),
        pytest.param(b"{}", None, "bad_frame", id="nothing in it"),
        pytest.param(b'{"text": "x"}', None, "bad_frame", id="no id"),
        pytest.param(b'{"id": null, "text": "x"}', None, "bad_frame", id="null id"),
        pytest.param(b'{"id": true, "text": "x"}', None, "bad_frame", id="boolean id"),
        pytest.param(b'{"id": "", "text": "x"}', None, "bad_frame", id="empty id"),
        pytest.param(b'{"id": {"a": 1}, "text": "x"}', None, "bad_frame", id="object id"),
        pytest.param(b'{"id": "9"}', "9", "bad_frame", id="no text"),
        pytest.param(b'{"id": "9", "text": 5}', "9", "bad_frame", id="text is a number"),
        pytest.param(b'{"id": 9, "text": null}', 9, "bad_frame", id="text is null"),
        pytest.param(b'{"id": "9", "text": ""}', "9", "bad_frame", id="empty text"),
        pytest.param(b'{"id": "9", "text": "\xff"}', None, "bad_frame", id="not UTF-8"),
        pytest.param(
            b'{"id": "9", "text": "' + b"x" * 10_001 + b'"}', "9", "too_large", id="10,001 letters"
        ),
        pytest.param(
            b'{"id": "9", "text": "' + b"x" * 300_000 + b'"}', None, "too_large", id="300,000 bytes"
        ),
    ],
)
def test_a_bad_line_gives_an_error_in_its_place(line: bytes, id: object, code: str) -> None:
    good = b'{"id": "a", "text": "awful"}\n'

    before, bad, after = analyse(good + line + b"\n" + good.replace(b'"a"', b'"b"'))

    assert (before["id"], after["id"]) == ("a", "b")
    assert bad["id"] == id
    assert bad["error"]["code"] == code
    assert "2" in bad["error"]["detail"]


def test_a_bad_first_line_does_not_make_the_rest_plain_text() -> None:
    first, second = analyse(b'{"id": "1", "text": \n{"id": "2", "text": "awful"}\n')

    assert first["error"]["code"] == "bad_frame"
    assert (second["id"], second["action"]) == ("2", "block")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('"\\ud800"', id="lone surrogate"),
        pytest.param('"\\u0000"', id="NUL"),
        pytest.param('"' + "😀" * 10_000 + '"', id="10,000 emoji"),
        pytest.param('"' + "\\ud83d\\ude00" * 10_000 + '"', id="10,000 escaped emoji"),
    ],
)
def test_odd_texts_are_judged(text: str) -> None:
    (line,) = analyse(f'{{"id": "\\ud800", "text": {text}}}\n'.encode())

    assert line["action"] == "allow"


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    (line,) = analyse(b'\xef\xbb\xbf{"id": "1", "text": "awful"}')

    assert line["action"] == "block"


def test_no_lines_give_no_lines() -> None:
    assert analyse(b"") == []


def test_without_any_scores_a_line_says_why() -> None:
    (line,) = analyse(b"hello\n", BrokenScorer())

    assert line["error"] == {"code": "model_unavailable", "detail": "manners: checksum differs"}


def test_a_line_without_an_end_is_skipped_over_in_bounded_memory() -> None:
    class Endless(io.RawIOBase):
        """50 MiB without a line break, made as it is read."""

        left = 50 * 1024 * 1024
        largest = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            self.largest = max(self.largest, size)
            taken = min(size, self.left)
            self.left -= taken
            return b"x" * taken

    endless = Endless()

    (line,) = analysis.read(endless)  # type: ignore[arg-type]

    assert line.content is None
    assert line.size == 50 * 1024 * 1024
    assert endless.largest <= MAX_LINE_BYTES + 1


def test_processes_judge_in_order_and_few_batches_are_in_memory() -> None:
    taken = 0

    def batches() -> Iterator[list[analysis.Line]]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield [analysis.Line(number, b"awful", json=False, size=6)]

    analysis.start_process(lambda: Judge(FakeScorer(), POLICY))
    with ThreadPoolExecutor(3) as pool:
        judged = analysis.in_order(batches(), analysis.judge_here, pool, limit=7)
        first = next(judged)
        ahead = taken
        rest = list(judged)

    ids = [json.loads(each.text)["id"] for batch in [first, *rest] for each in batch]
    assert ids == [str(number) for number in range(100)]
    assert ahead <= 7
