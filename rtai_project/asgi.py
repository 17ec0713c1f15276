"""HTTP goes to Django, WebSockets, event streams and completions to their own edges."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rtai_project.settings")
http_application = get_asgi_application()

# Imported once Django is set up; the Celery app is the one that the gateway's tasks go to.
from api.asgi import EventPaths  # noqa: E402
from api.completions_http import OpenAIPaths  # noqa: E402
from rtai_project.celery import app as celery_app  # noqa: E402
from rtai_project.middleware import ForwardedScheme  # noqa: E402
from streams.routing import websocket_application  # noqa: E402

__all__ = ["application", "celery_app"]

application = ProtocolTypeRouter(
    {
        "http": ForwardedScheme(EventPaths(OpenAIPaths(http_application))),
        "websocket": websocket_application,
    }
)
