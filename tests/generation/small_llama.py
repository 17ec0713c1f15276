"""A small llama made on the spot: random weights and a tokenizer in one GGUF file."""

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType
from numpy.typing import NDArray

WIDTH, HEADS, BLOCKS, INNER = 64, 4, 2, 128
CONTEXT = 2048
SYLLABLES = [f"{begin}{end}" for begin in ("ba", "do", "ki", "lu", "me", "no") for end in "nltm"]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz.:"]
TEMPLATE = (
    "{% for each in messages %}{{ each.role + ': ' + each.content + '\n' }}{% endfor %}assistant:"
)

Token = tuple[str, float, TokenType]
Weights = NDArray[np.float32]


def write(path: Path, seed: int = 7) -> None:
    """Writes half a megabyte; the same seed gives the same file."""
    tokens = _tokens()
    writer = GGUFWriter(path, "llama")
    _describe(writer, tokens)
    _add_weights(writer, np.random.default_rng(seed), tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tokens() -> list[Token]:
    """Marks, a token for each byte that no other stands for, letters, and syllables of words."""
    marks = [("<unk>", 0.0, TokenType.UNKNOWN)]
    marks += [(name, 0.0, TokenType.CONTROL) for name in ("<s>", "</s>")]
    octets = [(f"<0x{value:02X}>", 0.0, TokenType.BYTE) for value in range(256)]
    letters = [(each, -10.0, TokenType.NORMAL) for each in ["▁", *LETTERS]]
    return [*marks, *octets, *letters, *((f"▁{s}", -1.0, TokenType.NORMAL) for s in SYLLABLES)]


def _describe(writer: GGUFWriter, tokens: list[Token]) -> None:
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _, _ in tokens])
    writer.add_token_scores([score for _, score, _ in tokens])
    writer.add_token_types([kind for _, _, kind in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)


def _add_weights(writer: GGUFWriter, dice: np.random.Generator, tokens: list[Token]) -> None:
    def add(name: str, *shape: int, scale: float = 1.0) -> None:
        writer.add_tensor(f"{name}.weight", _random(dice, shape, scale))

    for block in (f"blk.{number}" for number in range(BLOCKS)):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"{block}.{name}", WIDTH, WIDTH)
        for name in ("ffn_gate", "ffn_up"):
            add(f"{block}.{name}", INNER, WIDTH)
        add(f"{block}.ffn_down", WIDTH, INNER)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{name}.weight", np.ones(WIDTH, np.float32))
    add("token_embd", len(tokens), WIDTH, scale=8.0)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    # It says what can be read, and does not end by itself.
    said = np.array([[kind == TokenType.NORMAL] for _, _, kind in tokens], np.float32)
    writer.add_tensor("output.weight", _random(dice, (len(tokens), WIDTH), 3.0) * said)


def _random(dice: np.random.Generator, shape: tuple[int, ...], scale: float) -> Weights:
    found: Weights = dice.standard_normal(shape, np.float32) * np.float32(scale / shape[-1] ** 0.5)
    return found
