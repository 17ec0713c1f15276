"""Teaches the small chat model our manner.

It begins as SmolLM2-135M-Instruct with fewer words (`chat_start.py`) and learns from our dialogues
mostly; a person's side counts little. Its words and lowest layers stay as they are, which saves
the work of learning there.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from inference import weights_numpy
from training.chat_batches import batches
from training.chat_sources import Dialogue, load
from training.chat_tokens import encode
from training.decoder import Decoder, weights_of
from training.decoder_fit import Batch, Plan, fit, loss_of
from training.decoder_graph import Array, Shape
from training.dialogues.compose import Writer, prompts
from training.differences import added, differences
from training.holdout import is_validation

SHAPE = Shape(
    layers=30, width=576, heads=9, kv_heads=3, wide=1536, vocab=16_000, context=512, base=100_000.0
)
TOKENS = 1024
"""Tokens of a batch."""
KEPT = 10
"""How many of the lowest layers stay as they are."""

SHARES = {"self_dialogue": 0.06, "sgd_dialogues": 0.03}
"""How much of each public set is read in one epoch."""
OWN = 24_000
"""Dialogues of ours in one epoch."""
LENGTH = 256
"""Tokens of a row."""
PERSON = 0.1
"""How much a person's turns weigh; the other side's weigh 1."""


def main() -> None:
    """Read, tokenise, learn, save."""
    asked = _options()
    asked.out.mkdir(parents=True, exist_ok=True)
    learnt, kept = split(load(asked.dialogues))
    tokenizer = Tokenizer.from_file(str(asked.tokenizer))
    network, start = Decoder(SHAPE), _start(asked.start)
    known = added(start, weights_numpy.read(asked.kept)) if asked.kept else start
    network.load_state_dict({name: torch.tensor(value) for name, value in known.items()})
    for part in (network.words, *network.layers[:KEPT]):
        part.requires_grad_(False)
    kind = torch.bfloat16 if asked.bfloat16 else torch.float32
    plan = Plan(asked.minutes, asked.threads, asked.seed, asked.rate, cool_from=0.2, kind=kind)
    fit(network, endless(tokenizer, learnt, asked.seed), plan, asked.out / "state.pt")
    torch.save(network.state_dict(), asked.out / "network.pt")
    weights_numpy.save(asked.out / "learnt.npz", differences(start, weights_of(network)))
    print("public:", measure(network, tokenizer, kept[: asked.measured], 1.0))
    own = Writer().write(asked.measured, asked.seed + 500)
    print("ours, of lines it has learnt:", measure(network, tokenizer, own, 0.0))


def _start(path: Path) -> dict[str, Array]:
    found = torch.load(path, weights_only=True)
    return {name: value.numpy() for name, value in found.items()}


def split(dialogues: Sequence[Dialogue]) -> tuple[list[Dialogue], list[Dialogue]]:
    """Dialogues to learn from, and one in forty for validation."""
    learnt = [each for each in dialogues if not is_validation(each.text, 40)]
    return learnt, [each for each in dialogues if is_validation(each.text, 40)]


def endless(tokenizer: Tokenizer, public: Sequence[Dialogue], seed: int) -> Iterator[Batch]:
    """Batches of one epoch after another, each with other dialogues of our own."""
    size, writer = TOKENS // LENGTH, Writer()
    epoch = seed
    while True:
        dice = random.Random(epoch)
        chosen = [dressed(each, dice) for each in lean(public, dice)]
        chosen += writer.write(OWN, epoch)
        dice.shuffle(chosen)
        for at in range(0, len(chosen), 2_000):
            part = chosen[at : at + 2_000]
            pieces = encode(tokenizer, part, PERSON, LENGTH)
            yield from batches(pieces, LENGTH, size)
        epoch += 1


def lean(public: Sequence[Dialogue], dice: random.Random) -> list[Dialogue]:
    """The part of the public dialogues that one epoch sees."""
    return [each for each in public if dice.random() < SHARES[each.source]]


def dressed(dialogue: Dialogue, dice: random.Random) -> Dialogue:
    """Some with a system prompt; chats between equals also begin with the other side."""
    turns = dialogue.turns
    if dialogue.source == "self_dialogue" and dice.random() < 0.5:
        turns = turns[1:]
    prompt = dice.choice(prompts()) if dice.random() < 0.3 else ""
    return Dialogue(turns, dialogue.source, prompt)


def measure(
    network: Decoder, tokenizer: Tokenizer, kept: Sequence[Dialogue], person: float
) -> dict[str, float]:
    """Perplexity per token and bits per byte on dialogues that training has not seen."""
    network.eval()
    summed = weight = size = 0.0
    with torch.inference_mode():
        for batch in batches(encode(tokenizer, kept, person, SHAPE.context), SHAPE.context, 1):
            loss, count = loss_of(network, batch, torch.float32)
            summed, weight = summed + float(loss), weight + float(count)
            weighed = batch[0][batch[1] > 0]
            size += len(tokenizer.decode(weighed.tolist()).encode())
    perplexity = float(torch.tensor(summed / weight).exp())
    return {"perplexity": perplexity, "bits_per_byte": summed / size / math.log(2.0)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialogues", type=Path, required=True, help="what chat_screen wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--tokenizer", type=Path, required=True, help="what chat_start wrote")
    parser.add_argument("--start", type=Path, required=True, help="what chat_start wrote")
    parser.add_argument("--kept", type=Path, help="learnt.npz of an earlier run, to go on from")
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--minutes", type=float, default=80.0)
    parser.add_argument("--bfloat16", action="store_true", help="where the processor is fast at it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--measured", type=int, default=200, help="dialogues to measure on")
    return parser.parse_args()


if __name__ == "__main__":
    main()
