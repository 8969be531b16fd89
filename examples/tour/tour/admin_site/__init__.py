"""This file is the Django project of the tour."""
