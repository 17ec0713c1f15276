"""Texts in, scores out: every loaded plugin judges the batch, and none takes another down."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from inference.languages import is_foreign
from inference.plugin import Plugin
from inference.registry import describe
from inference.types import Labels, Passages, PassageScore, Scores

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin with the model version it runs: its tag, and the execution provider in use."""

    plugin: Plugin
    version: str
    provider: str


@dataclass(frozen=True, slots=True)
class Lineup:
    """The plugins of one moment, and why others are missing (by name)."""

    loaded: tuple[Loaded, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)


Row = tuple[Labels, Passages]
"""What a plugin said of one text, and of which passages it said so."""


class BadScores(ValueError):
    """A plugin's answer is not what the contract promises."""


class Watcher(Protocol):
    """Who wants to know how scoring goes."""

    def scored(self, plugin: str, seconds: float) -> None:
        """A plugin scored a batch in so many seconds."""
        ...

    def failed(self, plugin: str) -> None:
        """A plugin gave no scores for a batch."""
        ...


class Scorer:
    """Scores texts with the plugins that `lineup` gives at the start of each batch."""

    def __init__(
        self,
        lineup: Callable[[], Lineup],
        *,
        watcher: Watcher | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._lineup = lineup
        self._watcher = watcher
        self._clock = clock

    def score(self, texts: Sequence[str], plugins: Collection[str] | None = None) -> list[Scores]:
        """One Scores per text, in order, by these plugins or all. Never raises for what a plugin
        does."""
        if not texts:
            return []
        lineup = self._lineup() if plugins is None else _chosen(self._lineup(), plugins)
        failures = dict(lineup.missing)
        rows: dict[str, list[Row]] = {}
        for loaded in lineup.loaded:
            name = loaded.plugin.name
            try:
                rows[name] = self._rows(loaded.plugin, texts)
            except (Exception, SystemExit) as error:  # Whatever foreign code may raise.
                failures[name] = describe(error)
                logger.exception("Plugin %s gave no scores for %d texts", name, len(texts))
        self._tell_failed(failures)
        models = {each.plugin.name: each.version for each in lineup.loaded}
        models = {name: version for name, version in models.items() if name in rows}
        narrow = any(each.plugin.english_only for each in lineup.loaded)
        return [
            Scores(
                {name: found[index][0] for name, found in rows.items()},
                models,
                failures,
                low_confidence=narrow and is_foreign(text),
                passages={name: found[index][1] for name, found in rows.items() if found[index][1]},
            )
            for index, text in enumerate(texts)
        ]

    def only(self, plugins: Collection[str]) -> "Scorer":
        """Scores with these plugins at the versions of this moment, and tells no watcher."""
        chosen = _chosen(self._lineup(), plugins)
        return Scorer(lambda: chosen)

    def _rows(self, plugin: Plugin, texts: Sequence[str]) -> list[Row]:
        started = self._clock()
        found = plugin.predict(texts)
        checked = check_rows(plugin, found, len(texts))
        rows = list(zip(checked, map(_passages, found), strict=True))
        if self._watcher:
            self._watcher.scored(plugin.name, self._clock() - started)
        return rows

    def _tell_failed(self, failures: Mapping[str, str]) -> None:
        for name in failures if self._watcher else ():
            self._watcher.failed(name)  # type: ignore[union-attr]


def _chosen(lineup: Lineup, plugins: Collection[str]) -> Lineup:
    loaded = tuple(each for each in lineup.loaded if each.plugin.name in plugins)
    return Lineup(loaded, {name: why for name, why in lineup.missing.items() if name in plugins})


def check_rows(plugin: Plugin, rows: Sequence[Labels], expected: int) -> list[Labels]:
    """The rows as plain floats; raises BadScores unless there is one per text, each with exactly
    the plugin's labels, each a probability."""
    if len(rows) != expected:
        raise BadScores(f"{len(rows)} rows for {expected} texts")
    return [_check_row(plugin.labels, row) for row in rows]


def _check_row(labels: tuple[str, ...], row: Labels) -> Labels:
    if set(row) != set(labels):
        raise BadScores(f"labels {sorted(row)}, expected {sorted(labels)}"[:200])
    checked = {label: float(row[label]) for label in labels}
    for label, value in checked.items():
        if not 0.0 <= value <= 1.0:  # False for NaN too.
            raise BadScores(f"{label} is {value}, expected a probability")
    return checked


def _passages(row: Labels) -> Passages:
    return {label: score.passage for label, score in row.items() if isinstance(score, PassageScore)}
