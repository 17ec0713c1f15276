"""What a manifest may say, and what a folder must hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from inference import versions
from inference.decoder_format import Marks
from inference.errors import BadModel, ModelUnavailable
from inference.generator import Role
from tests.inference import small_decoders, small_models


def test_a_whole_folder_loads_and_its_tag_names_the_digest(tmp_path: Path) -> None:
    manifest = versions.load(small_models.version(tmp_path))

    assert manifest.ref == "small@1.0.0"
    assert manifest.leaves_out == ()
    assert manifest.digest == small_models.digest(tmp_path / "manifest.json")
    assert manifest.tag == f"small@1.0.0+{manifest.digest[:19]}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"labels": None}, "lacks labels", id="a field is missing"),
        pytest.param({"colour": "red"}, "unknown fields colour", id="a field is unknown"),
        pytest.param({"name": "../evil"}, "name must be", id="the name is a path"),
        pytest.param({"version": "latest"}, "version must be", id="the version is no number"),
        pytest.param({"plugin": 7}, "plugin must be", id="the plugin is a number"),
        pytest.param({"labels": []}, "labels must be", id="no label"),
        pytest.param({"labels": ["a", "a"]}, "each label once", id="a label twice"),
        pytest.param({"labels": "rude"}, "labels must be", id="labels are a text"),
        pytest.param({"max_tokens": True}, "max_tokens must be", id="tokens are a boolean"),
        pytest.param({"max_tokens": 100_000}, "max_tokens must be", id="too many tokens"),
        pytest.param({"window_reduction": "min"}, "max, mean", id="an unknown reduction"),
        pytest.param({"files": {}}, "files must be", id="no file"),
        pytest.param({"files": {"../model.onnx": "x"}}, "without folders", id="path traversal"),
        pytest.param({"files": {"/etc/passwd": "x"}}, "without folders", id="an absolute path"),
        pytest.param({"files": {"model.onnx": "md5:1"}}, "sha256:", id="another checksum"),
        pytest.param({"leaves_out": ["names"]}, "links, mentions", id="an unknown part"),
        pytest.param({"leaves_out": "links"}, "links, mentions", id="parts are a text"),
        pytest.param({"card": "other.md"}, "no checksum for other.md", id="an unlisted card"),
    ],
)
def test_a_manifest_that_is_not_right_is_refused_with_what_came(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    small_models.version(tmp_path)
    small_models.write_manifest(tmp_path, **changes)

    with pytest.raises(BadModel, match=said):
        versions.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b"[" * 30_000, id="nested deeply"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
    ],
)
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(BadModel, match=r"manifest\.json"):
        versions.parse(content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    small_models.version(tmp_path)
    (tmp_path / "model.onnx").unlink()

    with pytest.raises(BadModel, match=r"model\.onnx is missing"):
        versions.load(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="nowhere"):
        versions.load(tmp_path / "nowhere")


def test_a_changed_file_is_refused_with_both_checksums(tmp_path: Path) -> None:
    small_models.version(tmp_path)
    expected = small_models.digest(tmp_path / "card.md")
    (tmp_path / "card.md").write_text("changed")

    with pytest.raises(BadModel) as caught:
        versions.load(tmp_path)

    assert expected in caught.value.detail
    assert small_models.digest(tmp_path / "card.md") in caught.value.detail


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = small_models.version(tmp_path / "model")
    (folder / "card.md").rename(tmp_path / "card.md")
    (folder / "card.md").symlink_to(tmp_path / "card.md")

    with pytest.raises(BadModel, match="not a plain file"):
        versions.load(folder)


def test_a_file_over_its_cap_is_refused_before_it_is_read(tmp_path: Path) -> None:
    small_models.version(tmp_path)
    with (tmp_path / "card.md").open("wb") as file:
        file.truncate(versions.MAX_CARD_BYTES + 1)

    with pytest.raises(BadModel, match="at most"):
        versions.load(tmp_path)


def test_labels_must_be_the_plugins_in_its_order(tmp_path: Path) -> None:
    manifest = versions.load(small_models.version(tmp_path))

    versions.check_labels(manifest, "manners", ("rude", "kind"))
    with pytest.raises(BadModel, match="expects kind, rude"):
        versions.check_labels(manifest, "manners", ("kind", "rude"))
    with pytest.raises(BadModel, match="made for 'manners'"):
        versions.check_labels(manifest, "moderation", ("rude", "kind"))


def test_a_bad_model_is_an_unavailable_one_and_no_retry_helps() -> None:
    error = BadModel("broken")

    assert isinstance(error, ModelUnavailable)
    assert (error.code, error.retryable) == ("model_unavailable", False)


def test_the_shipped_models_are_whole() -> None:
    folders = [path.parent for path in Path("plugins/models").glob("*/manifest.json")]

    refs = {versions.load(folder).ref for folder in folders}

    assert {"guard-mini@1.6.0", "sentiment-mini@1.2.0"} <= refs
    for folder in folders:
        assert json.loads((folder / "manifest.json").read_text())["licence"]


def test_a_decoders_folder_loads(tmp_path: Path) -> None:
    manifest = versions.load(small_decoders.version(tmp_path))

    assert manifest.labels == ()
    found = versions.check_decoder(manifest, "llm")
    assert (found.layers, found.kv_heads, found.head_dim) == (2, 2, 16)
    assert found.template[Role.USER] == Marks("<|user|>", "<|end|>")
    assert (found.stop_tokens, found.start) == (("<|end|>",), "")


def test_a_version_that_scores_is_no_decoder(tmp_path: Path) -> None:
    manifest = versions.load(small_models.version(tmp_path, plugin="llm"))

    with pytest.raises(BadModel, match="has no decoder"):
        versions.check_decoder(manifest, "llm")
    with pytest.raises(BadModel, match="made for 'llm'"):
        versions.check_decoder(manifest, "other")


TEMPLATE = small_decoders.decoder()["template"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"layers": None}, "decoder must be an object with layers", id="a field less"),
        pytest.param({"colour": "red"}, "without colour", id="a field more"),
        pytest.param({"layers": 0}, r"decoder\.layers must be a number from 1", id="no layer"),
        pytest.param({"layers": True}, r"decoder\.layers", id="a boolean"),
        pytest.param({"layers": 2.0}, r"decoder\.layers", id="a fraction"),
        pytest.param({"kv_heads": 100_000}, r"decoder\.kv_heads", id="too many heads"),
        pytest.param({"head_dim": "16"}, r"decoder\.head_dim", id="a text"),
        pytest.param({"context": 10**9}, r"decoder\.context", id="too long a context"),
        pytest.param({"vocab": -1}, r"decoder\.vocab", id="a negative number"),
        pytest.param({"template": []}, r"decoder\.template must be", id="no template"),
        pytest.param(
            {"template": {**TEMPLATE, "tool": ["", ""]}}, r"decoder\.template", id="another role"
        ),
        pytest.param(
            {"template": {**TEMPLATE, "user": "<|user|>"}}, r"template\.user", id="one mark"
        ),
        pytest.param(
            {"template": {**TEMPLATE, "user": ["a", 7]}}, r"template\.user", id="a mark of a kind"
        ),
        pytest.param(
            {"template": {**TEMPLATE, "user": ["a" * 201, ""]}}, r"template\.user", id="a long mark"
        ),
        pytest.param({"stop_tokens": []}, r"decoder\.stop_tokens", id="no end"),
        pytest.param({"stop_tokens": [""]}, r"decoder\.stop_tokens", id="an empty end"),
        pytest.param({"stop_tokens": ["x"] * 33}, r"decoder\.stop_tokens", id="too many ends"),
        pytest.param({"stop_tokens": "<|end|>"}, r"decoder\.stop_tokens", id="a text for a list"),
        pytest.param({"start": 7}, r"decoder\.start", id="a start of a kind"),
    ],
)
def test_a_decoder_that_is_not_described_right_is_refused(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    small_decoders.version(tmp_path, decoder=small_decoders.decoder(**changes))

    with pytest.raises(BadModel, match=said):
        versions.load(tmp_path)


@pytest.mark.parametrize("decoder", [7, None, [], "x"])
def test_a_decoder_that_is_no_object_is_refused(decoder: object, tmp_path: Path) -> None:
    small_decoders.version(tmp_path)
    found = json.loads((tmp_path / "manifest.json").read_text()) | {"decoder": decoder}

    with pytest.raises(BadModel, match="decoder must be an object"):
        versions.parse(json.dumps(found).encode())


def test_a_decoder_has_no_labels(tmp_path: Path) -> None:
    small_decoders.version(tmp_path, labels=["kind"])

    with pytest.raises(BadModel, match="labels must be an empty list"):
        versions.load(tmp_path)
