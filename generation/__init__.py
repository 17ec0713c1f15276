"""Prompts in, answers out token by token, judged both ways."""
