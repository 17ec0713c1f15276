"""Paths of WebSockets."""

from channels.routing import URLRouter
from django.urls import path

from streams.consumers import StreamConsumer

websocket_application = URLRouter([path("ws/v1/", StreamConsumer.as_asgi())])
