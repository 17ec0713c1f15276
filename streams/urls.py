"""Paths to health and metrics."""

from django.urls import path

from streams import views

urlpatterns = [
    path("healthz", views.healthz),
    path("readyz", views.readyz),
    path("metrics", views.prometheus),
]
