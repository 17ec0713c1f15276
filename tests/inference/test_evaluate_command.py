"""`manage.py evaluate`, on a small real model and no server."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from inference import versions_db
from tests.inference import small_models

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def _small_model(settings: Settings, tmp_path: Path) -> None:
    settings.RTAI_REDIS_URL = "unix:///nowhere.sock"
    settings.RTAI_PLUGINS = ("tests.inference.manners.Manners",)
    settings.RTAI_MODEL_DIRS = (tmp_path / "shipped",)
    small_models.version(tmp_path / "shipped" / "small-1.0.0", version="1.0.0")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    rows = [
        {"text": text, "labels": {"rude": rude, "obscene": 0}}
        for text, rude in (
            ("good day", 0),
            ("you are awful", 1),
            ("thank you", False),
            ("awful", 1),
        )
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def evaluate(data: Path, *arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    options = ("--data", str(data), "--plugin", "manners", "--bootstrap", "20", *arguments)
    try:
        call_command("evaluate", *options, stdout=out, stderr=err)
    except CommandError as error:
        err.write(f"error: {error}")
    return out.getvalue(), err.getvalue()


def test_the_active_version_is_measured(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "figures.json"

    out, err = evaluate(data, "--json", str(target), "--html", str(tmp_path / "page.html"))

    found = json.loads(target.read_text())
    assert err == ""
    assert out.startswith("small@1.0.0+sha256:")
    assert (found["rows"], found["bad_lines"], found["unknown"]) == (4, 0, {"obscene": 4})
    assert found["labels"]["rude"]["positives"] == 2
    assert 0 <= found["labels"]["rude"]["auprc"]["value"] <= 1
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_another_version_is_measured_by_its_name(data: Path, settings: Settings) -> None:
    small_models.version(settings.RTAI_MODEL_DIRS[0] / "small-0.9.0", version="0.9.0")
    versions_db.register_shipped(settings.RTAI_MODEL_DIRS, settings.RTAI_REDIS_URL)

    out, _ = evaluate(data, "--version", "small@0.9.0")

    assert out.startswith("small@0.9.0+sha256:")


def test_bad_lines_are_told_with_their_numbers_and_the_rest_counts(data: Path) -> None:
    lines = data.read_text().splitlines()
    data.write_text("\n".join([lines[0], "broken", *lines[1:], '{"text": ""}']))

    out, err = evaluate(data)

    assert "line 2 is not JSON" in err
    assert "line 6 has an empty text for text; expected" in err
    assert "error: Lines that were not valid: 2." in err
    assert "on 4 rows" in out


def test_only_the_first_of_many_bad_lines_are_told(data: Path) -> None:
    with data.open("a") as file:
        file.write("broken\n" * 100)

    _, err = evaluate(data)

    assert err.count("is not JSON") == 20
    assert "error: Lines that were not valid: 100." in err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--threshold", "0"), "--threshold must be above 0"),
        (("--threshold", "nan"), "--threshold must be above 0"),
        (("--bootstrap", "-1"), "--bootstrap must be a number from 0"),
        (("--seed", "-1"), "--seed must be 0 or more"),
        (("--plugin", "nothing"), "No plugin named 'nothing'; registered: manners"),
        (("--version", "small@9.9.9"), "No model version 'small@9.9.9'; known: small@1.0.0"),
        (("--label", "kind"), "No valid row has the label kind with a score"),
        (("--label", "obscene"), "No valid row has the label obscene with a score"),
        (("--html", "/nowhere/page.html"), "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    data: Path, arguments: tuple[str, ...], problem: str
) -> None:
    assert problem in evaluate(data, *arguments)[1]


def test_the_data_are_not_overwritten(data: Path) -> None:
    before = data.read_text()

    _, err = evaluate(data, "--json", str(data))

    assert "must be different files" in err
    assert data.read_text() == before


def test_labels_of_one_class_leave_nothing_to_measure(data: Path) -> None:
    data.write_text('{"text": "good day", "labels": {"rude": 0}}\n')

    assert "nothing to measure" in evaluate(data)[1]


def test_a_version_that_cannot_be_loaded_is_named(data: Path, settings: Settings) -> None:
    versions_db.register_shipped(settings.RTAI_MODEL_DIRS, settings.RTAI_REDIS_URL)
    (settings.RTAI_MODEL_DIRS[0] / "small-1.0.0" / "model.onnx").write_bytes(b"broken")

    assert "manners gives no scores: model.onnx of small@1.0.0 has sha256" in evaluate(data)[1]


def test_a_plugin_without_an_active_version_is_named(data: Path, settings: Settings) -> None:
    settings.RTAI_MODEL_DIRS = ()

    assert "manners has no active version" in evaluate(data)[1]


def test_the_progress_bar_shows_on_a_terminal_only(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal: Any = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    evaluate(data)

    assert "100%" in terminal.getvalue()
