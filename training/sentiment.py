"""Trains the sentiment model: `python -m training.sentiment --data DIR --out DIR`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from inference.mentions import LINK, MENTION
from training import fit as learning
from training.encode import encode
from training.encoder import start_network
from training.fit import Encoded, predict
from training.holdout import assert_none_held_out, drop_held_out, is_validation
from training.labels import SENTIMENT_LABELS
from training.moderation import start_weights
from training.rows import Row, capped
from training.sources import sentiment_rows
from training.store import write_run

CAPS = {"goemotions": 14000}
TRUST = 0.5
"""How much a teacher's opinion weighs against the label."""


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and result")
    parser.add_argument("--limit", type=int, default=0, help="train on so many rows only")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--teacher", type=Path, help="run or model.onnx whose opinion counts too")
    parser.add_argument("--minutes", type=float, default=0.0, help="time allowed; 0: no limit")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64, help="longest text in tokens")
    parser.add_argument("--layers", type=int, default=6, help="layers of the encoder kept")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bfloat16", action="store_true", help="where the processor is fast at it")
    parser.add_argument("--seed", type=int, default=17)
    return parser.parse_args()


def without_names(row: Row) -> Row:
    """The row without handles and links, as the shipped model reads it."""
    text = LINK.sub(" ", MENTION.sub(" ", row.text)).strip()
    return replace(row, text=text or row.text)


def advised(data: Encoded, teacher: Path) -> Encoded:
    """The same texts, with targets between the labels and what a finished model thinks.

    T. Furlanello et al., "Born-Again Neural Networks" (2018).
    """
    network = start_network(len(SENTIMENT_LABELS))
    network.load_state_dict(start_weights(teacher))
    logits = torch.from_numpy(predict(network, data.tokens))
    opinion = torch.softmax(logits, dim=-1).numpy()
    return replace(data, targets=(1.0 - TRUST) * data.targets + TRUST * opinion)


def main() -> None:
    """Load, train, and leave network and validation rows for the exporter."""
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(asked.threads)
    rows = drop_held_out(sentiment_rows(asked.data))
    validation = [row for row in rows if is_validation(row.text)]
    training = capped((r for r in rows if not is_validation(r.text)), CAPS, asked.seed)
    training = drop_held_out(map(without_names, training[: asked.limit or None]))
    assert_none_held_out(training)
    print(f"{len(training)} training rows, {len(validation)} validation rows")
    encoded = encode(training, SENTIMENT_LABELS, asked.tokens)
    if asked.teacher:
        encoded = advised(encoded, asked.teacher)
    network = start_network(len(SENTIMENT_LABELS), asked.layers)
    plan = learning.Plan(
        epochs=asked.epochs,
        batch=asked.batch,
        minutes=asked.minutes,
        seed=asked.seed,
        threads=asked.threads,
        bfloat16=asked.bfloat16,
    )
    learning.fit(network, [encoded], learning.soft_classes, plan, asked.out / "checkpoint.pt")
    write_run(asked.out, network, validation)


if __name__ == "__main__":
    main()
