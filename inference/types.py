"""The values that travel from a text to its scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = Mapping[str, float]
"""One plugin's scores of one text: label to probability in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What all plugins said of one text.

    `by_plugin` maps a plugin's name to its labels,
    `models` the same name to the model version that gave them (`name@version+sha256:…`),
    `failures` a plugin's name to the reason why it gave none.
    `low_confidence` says that a plugin which knows English only judged another language.
    """

    by_plugin: Mapping[str, Labels]
    models: Mapping[str, str]
    failures: Mapping[str, str] = field(default_factory=dict)
    low_confidence: bool = False
