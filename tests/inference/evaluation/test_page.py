"""The HTML file: whole in itself, strict, and safe whatever the names are."""

import base64
import hashlib
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from inference.evaluation.assess_numpy import assess
from inference.evaluation.figures import Evaluation, Measure, Method
from inference.evaluation.page import page
from inference.evaluation.tables import as_json, as_text


@pytest.fixture
def evaluation() -> Evaluation:
    shares, scores = [1.0, 0.0, 1.0, 0.0, 0.0], [0.9, 0.1, 0.4, 0.6, 0.2]
    method = Method(0.5, 100, 7)
    found = assess("threat", shares, scores, method)
    assert found is not None
    return Evaluation(
        plugin="moderation",
        model="guard@1+sha256:ab",
        data="<script>.jsonl",
        rows=5,
        bad_lines=2,
        method=method,
        labels=(found, replace(found, label="insult")),
        one_sided={"spam": 3},
        unknown={"obscene": 4},
    )


def test_the_page_has_no_script_and_nothing_from_elsewhere(evaluation: Evaluation) -> None:
    found = page(evaluation)

    assert not re.search(r"<script|<link|<img|\son\w+=|\sstyle=|https?://|url\(", found)
    assert "&lt;script&gt;.jsonl" in found


def test_its_own_policy_allows_its_own_style_only(evaluation: Evaluation) -> None:
    found = page(evaluation)
    styles = re.findall(r"<style>(.*?)</style>", found, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()

    assert len(styles) == 1
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in found


def test_every_plot_is_well_formed_and_has_a_title(evaluation: Evaluation) -> None:
    drawn = re.findall(r"<svg.*?</svg>", page(evaluation), re.DOTALL)

    assert len(drawn) == 8
    for each in drawn:
        svg = ElementTree.fromstring(each)  # noqa: S314 - we wrote it ourselves
        assert svg.get("role") == "img"
        assert "threat" in (svg.findtext("title") or "") or "insult" in each
        numbers = re.findall(r'\s(?:x|y|cx|cy|r|width|height)="([^"]*)"', each)
        assert all(-1 <= float(number) <= 270 for number in numbers)


def test_table_and_text_tell_what_was_left_out(evaluation: Evaluation) -> None:
    for found in (page(evaluation), as_text(evaluation)):
        assert "not valid and are left out: 2" in found
        assert "spam (3 rows)" in found
        assert "obscene (4 rows)" in found
        assert "stratified bootstrap" in found
        assert "seed 7" in found


def test_the_text_has_a_line_of_intervals_below_each_label(evaluation: Evaluation) -> None:
    lines = as_text(evaluation).splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("threat"))

    assert "0.833" in lines[place]
    assert re.search(r"0\.\d{3}–1\.000", lines[place + 1])


def test_json_has_every_measure_of_every_label(evaluation: Evaluation) -> None:
    found = as_json(evaluation)

    assert set(found["labels"]) == {"threat", "insult"}
    assert set(found["labels"]["threat"]) == {"rows", "positives", *map(str, Measure)}
    assert found["bootstrap"] == {
        "resamples": 100,
        "seed": 7,
        "stratified": True,
        "interval": 0.95,
    }


def test_a_label_that_is_perfectly_known_is_drawn_too(evaluation: Evaluation) -> None:
    found = assess("sure", [1.0, 0.0], [1.0, 0.0], Method(0.5, 0))
    assert found is not None

    drawn = page(replace(evaluation, labels=(found,), method=Method(0.5, 0)))

    assert "Reliability of sure" in drawn
    assert "No intervals were asked for." in drawn
