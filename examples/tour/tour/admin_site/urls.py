"""This file is the URLs of the tour's Django project, below the place where it is mounted."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("", admin.site.urls)]
