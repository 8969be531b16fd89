"""This file is what the site file names: the Django project as a WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tour.admin_site.settings")
application = get_wsgi_application()

from tour.admin_site.first_start import prepare  # the models exist only now

prepare()
