"""Paths of pages for people, and of the embed script."""

from django.urls import path

from console import views

app_name = "console"
urlpatterns = [
    path("", views.home, name="home"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("demo/", views.demo_page, name="demo"),
    path("console/", views.dashboard, name="dashboard"),
    path("console/status.json", views.status_json, name="status"),
    path("widget/v1.js", views.widget_script, name="widget"),
]
