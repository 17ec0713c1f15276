"""Puts new figures into the card of a model: `python -m training.card --help`.

Tables of the card are replaced by those of a report of `training.evaluate` that have the same head;
where several have, they follow in the same order. The digests of model and tokenizer are set, the
card is laid beside the model, and its own digest into the manifest. What the text between the
tables says is for a person to bring up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs" / "models"
_RULE = r"\|[ :|-]+\|\n"
_TABLE = re.compile(rf"^\|.*\n{_RULE}(?:(?!.*\n{_RULE})\|.*\n)*", re.MULTILINE)
"""A table ends where another begins, also without a line between them."""
_DIGEST = re.compile(r"^\| `([\w.]+)` \| `[0-9a-f]{64}` \|$", re.MULTILINE)


def tables(text: str) -> dict[str, list[str]]:
    """The tables of a text by their head, each in the order of the text."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for match in _TABLE.finditer(text):
        found[head(match[0])].append(match[0])
    return dict(found)


def head(table: str) -> str:
    """The first line of a table, by which it is known."""
    return table.partition("\n")[0]


def filled(card: str, report: str) -> str:
    """The card with the report's tables.

    Raises ValueError where the card has another number of tables of one head than the report.
    """
    fresh, old = tables(report), tables(card)
    for name in fresh.keys() & old.keys():
        if len(fresh[name]) != len(old[name]):
            raise ValueError(
                f"{len(fresh[name])} tables of the report and {len(old[name])} of the card "
                f"have the head {name}"
            )
    return _TABLE.sub(lambda match: fresh.get(head(match[0]), [match[0]]).pop(0), card)


def sealed(card: str, files: dict[str, str]) -> str:
    """The card with the digests of these files."""
    return _DIGEST.sub(lambda m: f"| `{m[1]}` | `{files[m[1]].removeprefix('sha256:')}` |", card)


def bring_up_to_date(folder: Path, docs: Path, report: str = "") -> None:
    """Fills in and seals the card in `docs`, and lays it beside the model."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    path = docs / f"{manifest['name']}.md"
    card = sealed(filled(path.read_text(encoding="utf-8"), report), manifest["files"])
    for place in (path, folder / "card.md"):
        place.write_text(card, encoding="utf-8")
    manifest["card"] = "card.md"
    manifest["files"]["card.md"] = f"sha256:{hashlib.sha256(card.encode()).hexdigest()}"
    text = json.dumps(manifest, indent=2) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the model folder")
    parser.add_argument(
        "--report", type=Path, help="what evaluate printed; without it, digests only"
    )
    asked = parser.parse_args()
    report = asked.report.read_text(encoding="utf-8") if asked.report else ""
    bring_up_to_date(asked.folder, DOCS, report)


if __name__ == "__main__":
    main()
