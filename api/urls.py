"""Paths of the API."""

from django.urls import path

from api.api import api
from api.views import visitor_token

urlpatterns = [
    path("api/v1/", api.urls),
    path("widget/v1/token", visitor_token, name="visitor-token"),
]
