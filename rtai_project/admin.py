"""The name that the admin goes by."""

from django.contrib import admin

admin.site.site_header = "RTAI"
admin.site.site_title = "RTAI"
admin.site.index_title = "Configuration"
