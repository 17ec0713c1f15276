"""Running models on ONNX Runtime, good ones and bad ones."""

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import versions
from inference.errors import BadModel
from inference.runtime_onnx import CPU, Execution, OnnxRuntime
from inference.types import PassageScore
from inference.windows_onnx import whole
from tests.inference import small_models
from tests.inference.small_models import WORDS


def opened(folder: Path, execution: Execution | None = None) -> OnnxRuntime:
    return OnnxRuntime(folder, versions.load(folder), execution or Execution())


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> OnnxRuntime:
    return opened(small_models.version(tmp_path_factory.mktemp("model")))


def test_rows_come_in_the_order_of_the_texts(runtime: OnnxRuntime) -> None:
    texts = ["four four four", "good", "one two three four", "bad"]

    rows = runtime.run(texts)

    assert rows == [runtime.run([text])[0] for text in texts]
    assert len({tuple(row) for row in rows}) == 4
    assert runtime.labels == small_models.LABELS
    assert runtime.provider == CPU


def test_no_texts_give_no_rows(runtime: OnnxRuntime) -> None:
    assert runtime.run([]) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("\x00", id="NUL"),
        pytest.param("good \ud800 day", id="lone surrogate"),
        pytest.param("\udfff" * 50, id="only lone surrogates"),
        pytest.param("\u202egood\u202c", id="right to left"),
        pytest.param("😀" * 3_000, id="emoji only"),
        pytest.param("x" * 10_000, id="one long word"),
        pytest.param("漢" * 10_000, id="no spaces"),
        pytest.param("[CLS] [SEP] [PAD] [UNK]", id="special tokens"),
        pytest.param("a", id="one character"),
    ],
)
def test_any_text_gives_probabilities(text: str, runtime: OnnxRuntime) -> None:
    (row,) = runtime.run([text])

    assert len(row) == 2
    assert all(0 <= value <= 1 for value in row)


def test_lone_surrogates_do_not_reach_the_tokenizer() -> None:
    assert whole("a\ud800b").encode().decode().isprintable()


def test_a_long_text_is_read_to_its_end(runtime: OnnxRuntime) -> None:
    windows = runtime.windows.cut("good " * 40 + "four").windows

    assert all(len(window) <= 16 for window in windows)
    assert all(window[0] == 2 and window[-1] == 3 for window in windows)
    assert windows[-1][-2] == 4 + WORDS.index("four")
    assert len(windows) == 4


def test_a_text_that_just_fits_is_one_window(runtime: OnnxRuntime) -> None:
    assert [len(window) for window in runtime.windows.cut("good " * 14).windows] == [16]
    assert [len(window) for window in runtime.windows.cut("good " * 15).windows] == [16, 16]


def test_windows_are_reduced_as_the_manifest_says(tmp_path: Path) -> None:
    text = "good " * 14 + "four " * 14
    most = opened(small_models.version(tmp_path / "max"))
    mean = opened(small_models.version(tmp_path / "mean", window_reduction="mean"))
    parts = most._run(most.windows.cut(text).windows)

    assert most.run([text])[0] == pytest.approx(parts.max(axis=0))
    assert mean.run([text])[0] == pytest.approx(parts.mean(axis=0))


def test_the_score_of_a_long_text_carries_the_passage_of_its_worst_window(tmp_path: Path) -> None:
    runtime = opened(small_models.version(tmp_path))
    text = "good " * 20 + "four " * 14 + "good " * 20

    highest, lowest = runtime.run(["good", text, "four " * 3])[1]

    assert isinstance(highest, PassageScore)
    assert isinstance(lowest, PassageScore)
    assert text[highest.passage.start : highest.passage.end].count("four") >= 11
    assert "four" not in text[lowest.passage.start : lowest.passage.end]
    assert runtime.run([text])[0] == [highest, lowest]


def test_a_score_of_the_whole_text_carries_no_passage(tmp_path: Path) -> None:
    most = opened(small_models.version(tmp_path / "max"))
    mean = opened(small_models.version(tmp_path / "mean", window_reduction="mean"))

    short, long = most.run(["good " * 14])[0], mean.run(["good " * 40])[0]

    assert {type(score) for score in (*short, *long)} == {float}


def test_batches_stay_within_their_budget_of_padded_tokens(tmp_path: Path) -> None:
    sizes: list[int] = []
    folder = small_models.version(tmp_path)
    runtime = OnnxRuntime(
        folder,
        versions.load(folder),
        Execution(max_batch_tokens=32),
        observe_tokens=sizes.append,
    )
    texts = [" ".join(WORDS[:count]) for count in (8, 1, 5, 1, 8, 2)]

    rows = runtime.run(texts)

    assert max(sizes) <= 32
    assert len(sizes) < len(texts)
    assert rows == [runtime.run([text])[0] for text in texts]


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join), max_size=12))
def test_a_score_does_not_depend_on_its_neighbours(runtime: OnnxRuntime, texts: list[str]) -> None:
    together = runtime.run(texts)

    for text, row in zip(texts, together, strict=True):
        assert row == pytest.approx(runtime.run([text])[0], abs=1e-6)


def test_several_threads_may_run_at_once(runtime: OnnxRuntime) -> None:
    texts = [f"{word} day" for word in WORDS]
    expected = runtime.run(texts)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(runtime.run, [texts] * 20))

    assert answers == [expected] * 20


def test_what_is_not_onnx_is_refused(tmp_path: Path) -> None:
    small_models.version(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"GIF89a" * 100)
    small_models.write_manifest(tmp_path)

    with pytest.raises(BadModel, match=r"model\.onnx of small@1\.0\.0 cannot be loaded"):
        opened(tmp_path)


def test_other_inputs_are_refused(tmp_path: Path) -> None:
    small_models.version(tmp_path)
    small_models.write_graph(tmp_path / "model.onnx", 2, inputs=("tokens", "attention_mask"))
    small_models.write_manifest(tmp_path)

    with pytest.raises(BadModel, match=r"takes .*'tokens'.* expected .*'input_ids'"):
        opened(tmp_path)


def test_another_output_is_refused(tmp_path: Path) -> None:
    small_models.version(tmp_path)
    small_models.write_graph(tmp_path / "model.onnx", 2, output="scores")
    small_models.write_manifest(tmp_path)

    with pytest.raises(BadModel, match=r"gives .*'scores'.* expected probabilities"):
        opened(tmp_path)


def test_another_number_of_labels_is_refused(tmp_path: Path) -> None:
    small_models.version(tmp_path)
    small_models.write_graph(tmp_path / "model.onnx", 3)
    small_models.write_manifest(tmp_path)

    with pytest.raises(BadModel, match=r"expected \[batch, 2\]"):
        opened(tmp_path)


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    small_models.version(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    small_models.write_manifest(tmp_path)

    with pytest.raises(BadModel, match=r"tokenizer\.json of small@1\.0\.0 is not a tokenizer"):
        opened(tmp_path)


def test_a_provider_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folder = small_models.version(tmp_path)

    with pytest.raises(BadModel, match="runs on CPUExecutionProvider, not on CUDAExecutionProv"):
        opened(folder, Execution(provider="CUDAExecutionProvider"))


def test_an_allowed_fallback_is_loud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = small_models.version(tmp_path)

    runtime = opened(folder, Execution(provider="CUDAExecutionProvider", allow_fallback=True))

    assert runtime.provider == CPU
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_telemetry_is_off_before_the_library_is_imported() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    code = (
        "import inference.runtime_onnx, os;"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1';"
        "print('off')"
    )

    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    late = subprocess.run(
        [sys.executable, "-c", f"import onnxruntime; {code}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.stdout == "off\n"
    assert late.returncode == 1
    assert "must be set before onnxruntime is imported" in late.stderr
