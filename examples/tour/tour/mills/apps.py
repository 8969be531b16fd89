"""This file is how Django knows the mills."""

from django.apps import AppConfig


class Mills(AppConfig):
    name = "tour.mills"
    verbose_name = "The mill stream"
    default_auto_field = "django.db.models.BigAutoField"
