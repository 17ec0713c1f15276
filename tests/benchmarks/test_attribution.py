"""The words named explain what the shipped model flags."""

import json
import random
import sys
from itertools import islice
from pathlib import Path

import pytest

from benchmarks import attribution
from benchmarks.attribution import GOAL, Model, explained, flagged, measure, thresholds
from benchmarks.bare import folders
from training.labelled import read

SAMPLE = 60


@pytest.mark.timeout(300)  # Half a minute of processor time, also beside other tests.
def test_most_flags_of_labelled_texts_are_explained_by_the_words_named() -> None:
    """Without them no rule of the default policy fires, and they are a third at most."""
    texts = [each.text for each in read()]
    random.Random(1).shuffle(texts)  # noqa: S311 - a sample, no secret
    model = Model(folders()[0])
    chosen = list(islice(flagged(texts, model, thresholds(None, model)), SAMPLE))

    found = [measure(text, targets, model) for text, targets in chosen]

    assert len(found) == SAMPLE
    assert explained(found) >= GOAL


def test_the_model_that_ships_is_measured_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "texts.jsonl"
    texts = ("I will find you and kill you, my old friend, when I am back.", "Good morning.")
    data.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    monkeypatch.setattr(sys, "argv", ["attribution", "--data", str(data)])

    attribution.main()

    assert "100.0% of 1" in capsys.readouterr().out
