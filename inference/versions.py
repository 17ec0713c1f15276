"""Model versions: what a manifest says, and whether a folder holds what it says."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from inference import decoder_format
from inference.decoder_format import DecoderFormat
from inference.errors import BadModel

MANIFEST = "manifest.json"
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"

MAX_MANIFEST_BYTES = 64 * 1024
MAX_CARD_BYTES = 256 * 1024
MAX_TOKENIZER_BYTES = 64 * 1024 * 1024
MAX_MODEL_BYTES = 2 * 1024 * 1024 * 1024
MAX_FILES = 32
MAX_LABELS = 1_000

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_PLUGIN = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.-]{0,31}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHOWN_DIGITS = 12


class WindowReduction(StrEnum):
    """How the scores of a long text's windows become one score."""

    MAX = "max"
    MEAN = "mean"


class LeftOut(StrEnum):
    """What a model does not read of a text."""

    LINKS = "links"
    MENTIONS = "mentions"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model version says of itself; `digest` is the SHA-256 of the manifest's bytes.

    `decoder` is there for a version that writes text; it has no labels.
    """

    name: str
    version: str
    plugin: str
    labels: tuple[str, ...]
    max_tokens: int
    window_reduction: WindowReduction
    licence: str
    card: str
    files: Mapping[str, str]
    digest: str
    decoder: DecoderFormat | None = None
    leaves_out: tuple[LeftOut, ...] = ()

    @property
    def ref(self) -> str:
        """`name@version`, by which people call it."""
        return f"{self.name}@{self.version}"

    @property
    def tag(self) -> str:
        """`name@version+sha256:…`, which every score carries."""
        return tag(self.ref, self.digest)


@dataclass(frozen=True, slots=True)
class ActiveVersion:
    """The version that a plugin is to run: where it lies, and what its manifest must hash to."""

    plugin: str
    ref: str
    digest: str
    path: Path


def tag(ref: str, digest: str) -> str:
    """`name@version` with the first 12 digits of its digest."""
    prefix, _, digits = digest.partition(":")
    return f"{ref}+{prefix}:{digits[:_SHOWN_DIGITS]}"


def load(folder: Path) -> Manifest:
    """The folder's manifest, after every file it lists was verified; raises BadModel."""
    manifest = read(folder)
    for name, digest in manifest.files.items():
        _verify_file(folder / name, digest, manifest)
    return manifest


def read(folder: Path) -> Manifest:
    """The folder's manifest; the files it lists are not looked at. Raises BadModel."""
    path = folder / MANIFEST
    _check_regular(path, MAX_MANIFEST_BYTES)
    return parse(path.read_bytes())


def parse(content: bytes) -> Manifest:
    """A manifest from its bytes; raises BadModel that says what was expected and what came."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadModel(f"{MANIFEST} is not JSON: {error}.") from None
    _check_fields(found)
    decoder = decoder_format.parse(found["decoder"]) if "decoder" in found else None
    manifest = Manifest(
        name=_text(found, "name", _NAME),
        version=_text(found, "version", _VERSION),
        plugin=_text(found, "plugin", _PLUGIN),
        labels=_no_labels(found["labels"]) if decoder else _labels(found["labels"]),
        max_tokens=_tokens(found["max_tokens"]),
        window_reduction=_reduction(found["window_reduction"]),
        licence=_text(found, "licence", re.compile(r"[ -~]{1,64}")),
        card=_text(found, "card", _FILE),
        files=_files(found["files"]),
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        decoder=decoder,
        leaves_out=_left_out(found.get("leaves_out", [])),
    )
    if missing := sorted({MODEL, TOKENIZER, manifest.card} - set(manifest.files)):
        raise BadModel(f"{MANIFEST} lists no checksum for {', '.join(missing)}.")
    return manifest


def check_decoder(manifest: Manifest, plugin: str) -> DecoderFormat:
    """Raises BadModel unless the version is made for this plugin and writes text."""
    if manifest.plugin != plugin:
        raise BadModel(f"{manifest.ref} is made for {manifest.plugin!r}, not for {plugin!r}.")
    if manifest.decoder is None:
        raise BadModel(f"{manifest.ref} has no decoder; plugin {plugin!r} writes text with one.")
    return manifest.decoder


def check_labels(manifest: Manifest, plugin: str, labels: tuple[str, ...]) -> None:
    """Raises BadModel unless the version is made for this plugin, with its labels in order."""
    if manifest.plugin != plugin:
        raise BadModel(f"{manifest.ref} is made for {manifest.plugin!r}, not for {plugin!r}.")
    if manifest.labels != labels:
        raise BadModel(
            f"{manifest.ref} has the labels {_list(manifest.labels)}; "
            f"plugin {plugin!r} expects {_list(labels)}."
        )


FIELDS = (
    "name",
    "version",
    "plugin",
    "labels",
    "max_tokens",
    "window_reduction",
    "licence",
    "card",
    "files",
)
OPTIONAL = ("decoder", "leaves_out")


def _check_fields(found: object) -> None:
    if not isinstance(found, dict):
        raise BadModel(f"{MANIFEST} holds {type(found).__name__}, expected an object.")
    if missing := [name for name in FIELDS if name not in found]:
        raise BadModel(f"{MANIFEST} lacks {_list(missing)}.")
    if unknown := sorted(set(found) - {*FIELDS, *OPTIONAL}):
        known = _list((*FIELDS, *OPTIONAL))
        raise BadModel(f"{MANIFEST} has unknown fields {_list(unknown)}; known: {known}.")


def _text(found: Mapping[str, Any], field: str, allowed: re.Pattern[str]) -> str:
    value = found[field]
    if not isinstance(value, str) or not allowed.fullmatch(value):
        raise _unexpected(field, f"text like {allowed.pattern}", value)
    return value


def _labels(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LABELS:
        raise _unexpected("labels", f"a list of 1 to {MAX_LABELS} names", value)
    if any(not isinstance(each, str) or not _PLUGIN.fullmatch(each) for each in value):
        raise _unexpected("labels", f"names like {_PLUGIN.pattern}", value)
    if len(set(value)) != len(value):
        raise _unexpected("labels", "each label once", value)
    return tuple(value)


def _no_labels(value: object) -> tuple[str, ...]:
    if value != []:
        raise _unexpected("labels", "an empty list beside a decoder", value)
    return ()


def _tokens(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 8 <= value <= 8192:
        raise _unexpected("max_tokens", "a number from 8 to 8192", value)
    return value


def _reduction(value: object) -> WindowReduction:
    try:
        return WindowReduction(value)  # type: ignore[arg-type]
    except ValueError:
        raise _unexpected("window_reduction", _list(WindowReduction), value) from None


def _left_out(value: object) -> tuple[LeftOut, ...]:
    known = list(LeftOut)
    if not isinstance(value, list) or any(each not in known for each in value):
        raise _unexpected("leaves_out", f"a list of {_list(known)}", value)
    return tuple(map(LeftOut, value))


def _files(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not 0 < len(value) <= MAX_FILES:
        raise _unexpected("files", f"1 to {MAX_FILES} files with their checksums", value)
    for name, digest in value.items():
        if not _FILE.fullmatch(name) or name == MANIFEST:
            raise _unexpected("files", "plain file names without folders", name)
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise _unexpected(f"files[{name!r}]", "sha256: and 64 hex digits", digest)
    return value


def _verify_file(path: Path, expected: str, manifest: Manifest) -> None:
    _check_regular(path, _cap(path.name, manifest))
    with path.open("rb") as file:
        found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if found != expected:
        raise BadModel(f"{path.name} of {manifest.ref} has {found}, expected {expected}.")


def _check_regular(path: Path, cap: int) -> None:
    if path.is_symlink() or not path.is_file():
        raise BadModel(f"{path} is missing or not a plain file.")
    if (size := path.stat().st_size) > cap:
        raise BadModel(f"{path} has {size} bytes, at most {cap} are allowed.")


def _cap(name: str, manifest: Manifest) -> int:
    caps = {manifest.card: MAX_CARD_BYTES, TOKENIZER: MAX_TOKENIZER_BYTES}
    return caps.get(name, MAX_MODEL_BYTES)


def _unexpected(field: str, expected: str, came: object) -> BadModel:
    return BadModel(f"{MANIFEST}: {field} must be {expected}; it is {repr(came)[:100]}.")


def _list(names: object) -> str:
    return ", ".join(names)  # type: ignore[arg-type]
