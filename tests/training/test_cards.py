"""The cards of the judging models name the files that ship, and ship as they stand in the docs."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(
    folder
    for name in ("guard-mini", "sentiment-mini")
    for folder in (ROOT / "plugins" / "models").glob(f"{name}-*")
)


def card_of(folder: Path) -> tuple[str, dict[str, str]]:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    card = ROOT / "docs" / "models" / f"{manifest['name']}.md"
    return card.read_text(encoding="utf-8"), manifest["files"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_card_names_the_digests_of_the_files_that_ship(folder: Path) -> None:
    card, files = card_of(folder)
    named = dict(re.findall(r"^\| `([\w.]+)` \| `([0-9a-f]{64})` \|$", card, re.MULTILINE))
    assert named == {
        name: files[name].removeprefix("sha256:") for name in ("model.onnx", "tokenizer.json")
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_card_ships_as_it_stands_in_the_docs(folder: Path) -> None:
    card, _ = card_of(folder)
    assert (folder / "card.md").read_text(encoding="utf-8") == card
    assert card.startswith(f"# {folder.name.replace('mini-', 'mini ')}\n")


def test_both_judging_models_ship_in_one_version() -> None:
    assert [folder.name.rpartition("-")[0] for folder in FOLDERS] == [
        "guard-mini",
        "sentiment-mini",
    ]
