"""A card takes its figures from a report, and its digests from the files."""

import hashlib
import json
from pathlib import Path

import pytest

from training.card import bring_up_to_date, filled, tables

CARD = """# small 1.0.0

| file | SHA-256 |
|---|---|
| `model.onnx` | `{}` |

Words.

| label | AUPRC |
|---|---|
| harm | 0.1 |

| label | AUPRC |
|---|---|
| harm | 0.2 |

| set | licence |
|---|---|
| ours | free |
""".format("0" * 64)
REPORT = """## First
| label | AUPRC |
|---|---|
| harm | 0.7 |
| spam | 0.8 |
| head of another table | value |
|---|---|
| a | b |
## Second
| label | AUPRC |
|---|---|
| harm | 0.9 |
another line
"""


def test_tables_are_replaced_in_order_and_others_stay() -> None:
    card = filled(CARD, REPORT)
    assert tables(card)["| label | AUPRC |"] == tables(REPORT)["| label | AUPRC |"]
    assert (
        card.replace("| harm | 0.7 |\n| spam | 0.8 |", "| harm | 0.1 |").replace("0.9", "0.2")
        == CARD
    )


def test_a_report_with_another_number_of_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="1 tables of the report and 2 of the card"):
        filled(CARD, REPORT.partition("## Second")[0])


def test_the_card_is_sealed_and_laid_beside_the_model(tmp_path: Path) -> None:
    docs, folder = tmp_path / "docs", tmp_path / "model"
    for place in (docs, folder):
        place.mkdir()
    (docs / "small.md").write_text(CARD)
    digest = hashlib.sha256(b"model").hexdigest()
    files = {"model.onnx": f"sha256:{digest}"}
    (folder / "manifest.json").write_text(json.dumps({"name": "small", "files": files}))

    bring_up_to_date(folder, docs, REPORT)

    card = (folder / "card.md").read_text()
    assert card == (docs / "small.md").read_text()
    assert f"| `model.onnx` | `{digest}` |" in card
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"]["card.md"] == f"sha256:{hashlib.sha256(card.encode()).hexdigest()}"
    assert manifest["files"]["model.onnx"] == files["model.onnx"]
