"""Dialogues of our own: small talk and simple support, in the assistant's manner."""
