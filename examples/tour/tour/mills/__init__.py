"""This file is the Django application of the tour: water mills and what is measured at them."""
