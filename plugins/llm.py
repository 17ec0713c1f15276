"""Writes answers, from the small decoder that ships or from any other in its format."""

from inference.engine import ModelGenerator


class Llm(ModelGenerator):
    name = "llm"
