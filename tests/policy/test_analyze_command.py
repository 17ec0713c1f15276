"""`manage.py analyze`, with the models that ship and no server."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from policy.models import PolicyRecord, RuleRecord
from streams.models import Site, Stream

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def _no_redis(settings: Settings) -> None:
    settings.RTAI_REDIS_URL = "unix:///nowhere.sock"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": "1", "text": "I love it, thank you!"}\n{"id": "2", "text": "ok"}\n')
    return path


def analyze(source: Path, target: Path, *arguments: str) -> list[dict[str, Any]]:
    try:
        call_command("analyze", "--input", str(source), "--output", str(target), *arguments)
    finally:
        lines = target.read_text().splitlines() if target.exists() else []
    return [json.loads(line) for line in lines]


def strict_stream(site: str, name: str) -> None:
    """A stream that holds whatever is at all positive."""
    policy = PolicyRecord.objects.create(name=f"strict-{site}")
    RuleRecord.objects.create(
        policy=policy,
        name="joy",
        plugin="sentiment",
        label="positive",
        threshold=0.5,
        action="hold",
    )
    owner = Site.objects.get_or_create(slug=site, defaults={"name": site, "public_key": site})[0]
    Stream.objects.create(site=owner, name=name, policy=policy)


def test_a_file_is_judged_by_the_default_policy(source: Path, tmp_path: Path) -> None:
    first, second = analyze(source, tmp_path / "out.jsonl")

    assert (first["id"], second["id"]) == ("1", "2")
    assert set(first) == {"id", "action", "reasons", "scores", "models"}
    assert set(first["scores"]) == set(first["models"]) == {"moderation", "sentiment"}
    assert first["scores"]["sentiment"]["positive"] > 0.5


@pytest.mark.parametrize("stream", ["lounge", "cinema/lounge"])
def test_a_streams_own_policy_decides(stream: str, source: Path, tmp_path: Path) -> None:
    strict_stream("cinema", "lounge")

    first, _ = analyze(source, tmp_path / "out.jsonl", "--stream", stream)

    assert first["action"] == "hold"
    assert first["reasons"][0]["rule"] == "joy"


def test_an_unknown_stream_is_answered_with_the_known_ones(source: Path, tmp_path: Path) -> None:
    strict_stream("cinema", "lounge")

    with pytest.raises(CommandError, match=r"No stream 'lunge'; known: .*cinema/lounge"):
        analyze(source, tmp_path / "out.jsonl", "--stream", "lunge")


def test_bad_lines_end_in_an_error_after_all_were_judged(source: Path, tmp_path: Path) -> None:
    source.write_text('{"id": "1", "text": "ok"}\nbroken\n{"id": "3", "text": "ok"}\n')
    target = tmp_path / "out.jsonl"

    with pytest.raises(CommandError, match="1 lines could not be judged"):
        analyze(source, target)

    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["id"] for line in lines] == ["1", None, "3"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_words_behind_a_flag_are_named_where_asked(
    workers: str, source: Path, tmp_path: Path
) -> None:
    text = "I will 😡 kіll you tonight, my dear neighbour, you may be sure of that"
    source.write_text(json.dumps({"id": 1, "text": text}) + '\n{"id": 2, "text": "Good day."}\n')

    first, second = analyze(source, tmp_path / "out.jsonl", "--why", "--workers", workers)

    named = {text[each["start"] : each["end"]] for each in first["why"]}
    assert first["action"] == "block"
    assert "kіll" in named
    assert {each["label"] for each in first["why"]} <= {each["label"] for each in first["reasons"]}
    assert "why" not in second


def test_several_processes_give_the_same_answer(source: Path, tmp_path: Path) -> None:
    source.write_text("".join(f'{{"id": {n}, "text": "text {n}"}}\n' for n in range(300)))

    alone = analyze(source, tmp_path / "alone.jsonl")
    together = analyze(source, tmp_path / "together.jsonl", "--workers", "2")

    assert [line["id"] for line in together] == list(range(300))
    for one, other in zip(alone, together, strict=True):
        assert one["action"] == other["action"]
        for plugin, labels in one["scores"].items():
            assert other["scores"][plugin] == pytest.approx(labels, abs=1e-3)


@pytest.mark.parametrize("workers", ["0", "-1", "1000"])
def test_a_silly_number_of_workers_is_refused(workers: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="from 1 to 256"):
        analyze(source, tmp_path / "out.jsonl", f"--workers={workers}")


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nothing\.jsonl"):
        analyze(tmp_path / "nothing.jsonl", tmp_path / "out.jsonl")


def test_the_input_is_not_overwritten(source: Path) -> None:
    with pytest.raises(CommandError, match="the same file"):
        analyze(source, source)

    assert source.read_text().startswith('{"id": "1"')


def test_standard_streams_are_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Input:
        buffer = io.BytesIO(b"hello there\n")

    monkeypatch.setattr("sys.stdin", Input)

    call_command("analyze")

    assert json.loads(capsys.readouterr().out)["id"] == "1"
