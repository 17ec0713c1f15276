"""Paths to pages and programs' doors."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("api.urls")),
    path("", include("streams.urls")),
    path("", include("console.urls")),
]
