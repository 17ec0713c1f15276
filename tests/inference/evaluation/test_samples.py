"""Labelled texts, line by line, whatever the lines are."""

import io

import pytest

from inference.evaluation.samples import BadLine, Collected, Sample, read


def only(line: bytes) -> Sample | BadLine:
    ((found, size),) = read(io.BytesIO(line))
    assert size == len(line)
    return found


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        pytest.param(b'{"text": "x", "labels": {"a": 1, "b": 0.25}}', {"a": 1.0, "b": 0.25}),
        pytest.param(b'{"text": "x", "y": {"a": 0}}', {"a": 0.0}, id="shape y"),
        pytest.param(b'{"text": "x", "labels": {"a": true, "b": false}}', {"a": 1.0, "b": 0.0}),
        pytest.param(b'{"text": "x", "labels": {"a": null}}', {}, id="null is unknown"),
        pytest.param(b'{"text": "x", "labels": {}, "src": "web"}', {}, id="other fields"),
        pytest.param(b'\xef\xbb\xbf{"text": "x", "labels": {}}\n', {}, id="byte order mark"),
    ],
)
def test_a_line_gives_a_text_and_what_is_known(line: bytes, labels: dict[str, float]) -> None:
    assert only(line) == Sample("x", labels)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"not json", "is not JSON in UTF-8"),
        (b"[" * 100_000, "is not JSON in UTF-8"),
        (b'{"text": "\xff"}', "is not JSON in UTF-8"),
        (b"[1]", "holds a list"),
        (b"5", "holds a number"),
        (b'{"labels": {}}', "has nothing for text"),
        (b'{"text": "", "labels": {}}', "has an empty text for text"),
        (b'{"text": 7, "labels": {}}', "has a number for text"),
        (b'{"text": "x"}', "has nothing for labels"),
        (b'{"text": "x", "labels": ["a"]}', "has a list for labels"),
        (b'{"text": "x", "labels": {"a": 2}}', "has '2' for a"),
        (b'{"text": "x", "labels": {"a": -0.1}}', "has '-0.1' for a"),
        (b'{"text": "x", "labels": {"a": NaN}}', "has 'nan' for a"),
        (b'{"text": "x", "labels": {"a": "1"}}', "has '1' for a"),
        (b'{"text": "x", "labels": {"<b>": 1}}', "names a label '<b>'"),
        (b'{"text": "' + b"x" * 10_001 + b'", "labels": {}}', "10001 characters"),
        (b'{"text": "' + b"x" * 300_000 + b'"}', "has over 262144 bytes"),
    ],
)
def test_a_bad_line_says_what_is_wrong_and_the_next_is_read(line: bytes, problem: str) -> None:
    good = b'{"text": "x", "labels": {}}\n'

    found = [each for each, _ in read(io.BytesIO(good + line + b"\n" + good))]

    assert found[0] == found[2] == Sample("x", {})
    assert isinstance(found[1], BadLine)
    assert found[1].number == 2
    assert problem in found[1].problem


def test_a_line_with_too_many_labels_is_refused() -> None:
    labels = ",".join(f'"l{number}": 0' for number in range(1001))

    assert isinstance(only(b'{"text": "x", "labels": {' + labels.encode() + b"}}"), BadLine)


def test_blank_lines_are_left_out_and_still_counted() -> None:
    found = [each for each, _ in read(io.BytesIO(b'\n  \nbad\n{"text": "x", "y": {}}\n'))]

    assert isinstance(found[0], BadLine)
    assert (found[0].number, found[1]) == (3, Sample("x", {}))


def test_what_is_not_known_is_not_collected() -> None:
    collected = Collected()

    collected.add(
        [Sample("x", {"rude": 1.0, "odd": 1.0}), Sample("y", {})],
        [{"rude": 0.9, "kind": 0.1}, {"rude": 0.2, "kind": 0.8}],
    )

    assert collected.rows == 2
    assert set(collected.pairs) == {"rude"}
    assert list(collected.pairs["rude"].shares) == [1.0]
    assert list(collected.pairs["rude"].scores) == [0.9]
    assert collected.unknown == {"odd": 1}
