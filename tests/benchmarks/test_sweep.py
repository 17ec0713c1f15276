"""How the peers' best settings are chosen, kept and used."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import bare
from benchmarks.peers import settings
from benchmarks.peers.settings import FOR_FAN_OUT, Settings
from benchmarks.sweep import Tried, best, table, tried

ONE, TWO = Settings(workers=1), Settings(workers=2)


def heard(candidate: Settings, share: float, p99: float) -> Tried:
    return Tried(FOR_FAN_OUT, candidate, "figures", (share, 0, -p99))


def test_whoever_delivers_more_is_best_and_then_whoever_is_faster() -> None:
    assert best([heard(ONE, 1.0, 90), heard(TWO, 0.9, 10)]) == {FOR_FAN_OUT: asdict(ONE)}
    assert best([heard(ONE, 1.0, 90), heard(TWO, 1.0, 80)]) == {FOR_FAN_OUT: asdict(TWO)}


def test_a_candidate_that_fails_is_told_and_never_best() -> None:
    def fail() -> tuple[str, tuple[float, ...]]:
        raise TimeoutError("too slow")

    failed = tried(FOR_FAN_OUT, ONE, fail)
    assert "too slow" in failed.value
    assert best([failed]) == {}
    assert "| best |" in table([failed, heard(TWO, 1.0, 80)], {FOR_FAN_OUT: asdict(TWO)})


def test_the_best_settings_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sweep.json"
    monkeypatch.setattr(settings, "SWEEP", path)
    assert settings.tutorial(FOR_FAN_OUT) == Settings()

    path.write_text(json.dumps(best([heard(TWO, 1.0, 80)])))
    assert settings.tutorial(FOR_FAN_OUT) == TWO
    assert settings.tutorial() == Settings()


def test_the_peers_judge_with_one_model_for_each_plugin_that_judges() -> None:
    names = [folder.name.partition("-")[0] for folder in bare.folders()]

    assert names == ["guard", "sentiment"]
