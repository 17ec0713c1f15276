"""Scores in, decisions out: policies, verdicts and where verdicts go."""
