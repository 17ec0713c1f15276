"""How good a model version is: labelled texts in, figures with intervals out."""
