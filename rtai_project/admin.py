"""The name that the admin goes by."""

from django.contrib import admin

from rtai_project.sign_in_http import SignInForm

admin.site.site_header = "RTAI"
admin.site.site_title = "RTAI"
admin.site.index_title = "Configuration"
admin.site.login_form = SignInForm
