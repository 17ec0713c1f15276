"""A client of an RTAI server; see README.md."""

from rtai_client.answers import Answer
from rtai_client.client import Client
from rtai_client.errors import ConnectionClosed, Refused, TokenRefused
from rtai_client.reconnecting import State
from rtai_client.tokens import ApiTokens, Token, Tokens

__all__ = [
    "Answer",
    "ApiTokens",
    "Client",
    "ConnectionClosed",
    "Refused",
    "State",
    "Token",
    "TokenRefused",
    "Tokens",
]
