"""An evaluation as one HTML file: no script, nothing from elsewhere, and a policy that says so."""

import base64
import hashlib
from html import escape
from importlib import resources

from inference.evaluation import plots
from inference.evaluation.figures import TITLES, Evaluation, Figure, LabelFigures, Measure
from inference.evaluation.tables import interval, method, notes, number

EXPLAINED = (
    (
        "AUPRC",
        "Area under the precision–recall curve, by steps. Chance gives the share of positives.",
    ),
    (
        "ROC-AUC",
        "How often a positive scores above a negative; equal scores count half. Chance gives 0.5.",
    ),
    (
        "ECE",
        "Expected calibration error over ten bins of equal width: by how much a score misses "
        "the share of positives. A resample's is a little larger than the data's.",
    ),
    ("Brier", "Mean square of the difference between a score and what people said."),
    ("FPR", "The share of negatives that are flagged at the threshold."),
    (
        "recall, precision, F1",
        "Of positives, how many are flagged; of flagged, how many are right; their harmonic mean. "
        "At the threshold.",
    ),
)


def page(evaluation: Evaluation) -> str:
    """The whole file."""
    style = resources.files("inference.evaluation").joinpath("page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    title = f"{escape(evaluation.model)} on {escape(evaluation.data)}"
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{escape(evaluation.model)}</h1>
<p class="lead">{_lead(evaluation)}</p>
{_notes(evaluation)}{_table(evaluation)}{_legend()}{"".join(map(_section, evaluation.labels))}
</main>
</body>
</html>
"""


def _lead(evaluation: Evaluation) -> str:
    scored = f"{evaluation.rows:,} rows of {evaluation.data}, scored by {evaluation.plugin}."
    return escape(f"{scored} {method(evaluation)}")


def _notes(evaluation: Evaluation) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes(evaluation))
    return f'<ul class="notes">{items}</ul>\n' if items else ""


def _table(evaluation: Evaluation) -> str:
    heads = "".join(f'<th scope="col">{title}</th>' for title in TITLES.values())
    rows = "".join(_row(found) for found in evaluation.labels)
    return (
        '<table>\n<caption>Figures by label</caption>\n<thead><tr><th scope="col">label</th>'
        f'<th scope="col">rows</th><th scope="col">positives</th>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n"
    )


def _row(found: LabelFigures) -> str:
    cells = [("rows", f"{found.rows:,}"), ("positives", f"{found.positives:,}")]
    cells += [(TITLES[measure], _figure(found.figures[measure])) for measure in Measure]
    name = escape(found.label)
    shown = "".join(f'<td data-label="{label}"><span>{cell}</span></td>' for label, cell in cells)
    return f'<tr><th scope="row"><a href="#label-{name}">{name}</a></th>{shown}</tr>\n'


def _figure(figure: Figure) -> str:
    spread = interval(figure)
    return number(figure.value) + (f" <small>{spread}</small>" if spread else "")


def _legend() -> str:
    items = "".join(f"<dt>{name}</dt><dd>{meaning}</dd>" for name, meaning in EXPLAINED)
    return f"<details><summary>What the columns mean</summary><dl>{items}</dl></details>\n"


def _section(found: LabelFigures) -> str:
    drawn = (
        ("Precision and recall", plots.precision_recall(found)),
        ("ROC", plots.roc(found)),
        ("Reliability", plots.reliability(found)),
        ("Scores", plots.histogram(found)),
    )
    figures = "".join(
        f"<figure>{svg}<figcaption>{name}</figcaption></figure>" for name, svg in drawn
    )
    name = escape(found.label)
    said = f"{found.positives:,} of {found.rows:,} rows are positive."
    return (
        f'<section id="label-{name}"><h2>{name}</h2><p>{said}</p>'
        f'<div class="plots">{figures}</div></section>\n'
    )
