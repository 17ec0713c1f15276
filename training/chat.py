"""Teaches the small chat model our manner, with its weights rounded to three bits from the start.

It begins as SmolLM2-135M-Instruct with fewer words (`chat_start.py`) and learns from our dialogues
mostly; a person's side counts little.
"""

from __future__ import annotations

import argparse
import math
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import distributed

from training.chat_batches import batches
from training.chat_sources import Dialogue, load
from training.chat_tokens import encode
from training.decoder import Decoder
from training.decoder_fit import Batch, Plan, fit, loss_of, worker, workers
from training.decoder_graph import Shape
from training.dialogues.compose import Writer, prompts
from training.holdout import is_validation
from training.rounding import Grid, grid_of

SHAPE = Shape(
    layers=30, width=576, heads=9, kv_heads=3, wide=1536, vocab=8000, context=512, base=100_000.0
)
TOKENS = 1024
"""Tokens of a batch, of all processes together."""

SHARES = {"self_dialogue": 0.15, "sgd_dialogues": 0.06}
"""How much of each public set is read in one epoch."""
OWN = 24_000
"""Dialogues of ours in one epoch."""
LENGTH = 256
"""Tokens of a row."""
PERSON = 0.3
"""How much a person's turns weigh; the other side's weigh 1."""


def main() -> None:
    """Read, tokenise, learn, save."""
    asked = _options()
    if "WORLD_SIZE" in os.environ:
        distributed.init_process_group("gloo")
    asked.out.mkdir(parents=True, exist_ok=True)
    learnt, kept = split(load(asked.dialogues))
    tokenizer = Tokenizer.from_file(str(asked.tokenizer))
    network = Decoder(SHAPE)
    network.load_state_dict(torch.load(asked.start, weights_only=True))
    grids = grids_of(network)
    kind = torch.bfloat16 if asked.bfloat16 else torch.float32
    plan = Plan(asked.minutes, asked.threads, asked.seed, asked.rate, cool_from=0.2, kind=kind)
    source = endless(tokenizer, learnt, asked.seed + 1_000 * worker())
    fit(network, grids, source, plan, asked.out / "state.pt")
    if worker() == 0:
        finish(network, grids, asked.out)
        print("public:", measure(network, tokenizer, kept[: asked.measured], 1.0))
        own = Writer().write(asked.measured, asked.seed + 500)
        print("ours, of lines it has learnt:", measure(network, tokenizer, own, 0.0))


def grids_of(network: Decoder) -> dict[str, Grid]:
    """Where the weights of the layers' linear maps may lie, by their names."""
    return {
        name: grid_of(weight.detach())
        for name, weight in network.layers.named_parameters(prefix="layers")
        if weight.dim() == 2
    }


def finish(network: Decoder, grids: dict[str, Grid], folder: Path) -> None:
    """Round the weights for good; write them, and what they are made of: digits, times, steps."""
    state = network.state_dict()
    made = {
        name: (grid.digits(state[name]), grid.times, grid.steps) for name, grid in grids.items()
    }
    for name, grid in grids.items():
        state[name].copy_(grid.rounded(state[name]))
    torch.save(state, folder / "network.pt")
    torch.save(made, folder / "digits.pt")


def split(dialogues: Sequence[Dialogue]) -> tuple[list[Dialogue], list[Dialogue]]:
    """Dialogues to learn from, and one in forty for validation."""
    learnt = [each for each in dialogues if not is_validation(each.text, 40)]
    return learnt, [each for each in dialogues if is_validation(each.text, 40)]


def endless(tokenizer: Tokenizer, public: Sequence[Dialogue], seed: int) -> Iterator[Batch]:
    """Batches of one epoch after another, each with other dialogues of our own."""
    size, writer = TOKENS // LENGTH // workers(), Writer()
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
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--minutes", type=float, default=80.0)
    parser.add_argument("--bfloat16", action="store_true", help="where the processor is fast at it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--measured", type=int, default=200, help="dialogues to measure on")
    return parser.parse_args()


if __name__ == "__main__":
    main()
