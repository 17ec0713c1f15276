"""Makes what the chat model begins as: SmolLM2-135M-Instruct with fewer words.

L. Ben Allal et al., "SmolLM2: When Smol Goes Big" (2025), Apache-2.0; read from a GGUF file. Of its
49,152 tokens those stay that dialogues use most, and with each the pairs it is merged from, so that
any text can still be written.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader, dequantize

from training.chat import SHAPE, split
from training.chat_sources import load
from training.chat_tokens import MARKS, ROLES
from training.chat_words import Merge, choose, tokenizer
from training.decoder_graph import Array, halves
from training.dialogues.compose import Writer

OWN = 20_000
"""Dialogues of our own whose words are counted."""

UNKNOWN = 0
"""The row of bytes that it has no token for, for no valid text has them."""


def main() -> None:
    """Choose words, take weights, write both."""
    asked = _options()
    reader = GGUFReader(asked.gguf)
    tokens, merges = _strings(reader, "tokens"), _merges(reader)
    learnt = split(load(asked.dialogues))[0]
    own = Writer().write(OWN, asked.seed)
    turns = (turn for each in (*learnt, *own, *own) for turn in each.turns)
    texts = (*turns, *(role for role in ROLES for _ in range(OWN)))
    chosen = choose(tokens, merges, texts, SHAPE.vocab - len(MARKS))
    tokenizer(chosen, merges).save(str(asked.tokenizer))
    place = {token: number for number, token in enumerate(tokens)}
    rows = [place.get(token, UNKNOWN) for token in (*MARKS, *chosen)]
    found = weights(reader, rows)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: torch.from_numpy(value) for name, value in found.items()}, asked.out)


def weights(reader: GGUFReader, rows: Sequence[int]) -> dict[str, Array]:
    """The weights by our names, of the words in these rows."""
    known = {each.name: each for each in reader.tensors}

    def taken(name: str) -> Array:
        each = known[f"{name}.weight"]
        return np.array(dequantize(each.data, each.tensor_type), dtype=np.float32)

    found = {"words.weight": taken("token_embd")[list(rows)]}
    for number in range(SHAPE.layers):
        name, old = f"layers.{number}", f"blk.{number}"
        turned = [halves(taken(f"{old}.attn_{part}"), SHAPE) for part in "qk"]
        found[f"{name}.attend_norm.weight"] = taken(f"{old}.attn_norm")
        found[f"{name}.attend.weight"] = np.concatenate([*turned, taken(f"{old}.attn_v")])
        found[f"{name}.attended.weight"] = taken(f"{old}.attn_output")
        found[f"{name}.widen_norm.weight"] = taken(f"{old}.ffn_norm")
        both = [taken(f"{old}.ffn_{part}") for part in ("gate", "up")]
        found[f"{name}.widen.weight"] = np.concatenate(both)
        found[f"{name}.narrow.weight"] = taken(f"{old}.ffn_down")
    return found | {"final_norm.weight": taken("output_norm")}


def _strings(reader: GGUFReader, name: str) -> list[str]:
    found: list[str] = reader.fields[f"tokenizer.ggml.{name}"].contents()
    return found


def _merges(reader: GGUFReader) -> list[Merge]:
    pairs = (line.split(" ") for line in _strings(reader, "merges"))
    return [(one, two) for one, two in pairs]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, required=True, help="SmolLM2-135M-Instruct")
    parser.add_argument("--dialogues", type=Path, required=True, help="what chat_screen wrote")
    parser.add_argument("--tokenizer", type=Path, required=True, help="file to write")
    parser.add_argument("--out", type=Path, required=True, help="network.pt to write")
    parser.add_argument("--seed", type=int, default=17)
    return parser.parse_args()


if __name__ == "__main__":
    main()
