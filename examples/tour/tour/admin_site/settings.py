"""This file is the settings of the tour's Django project."""

import secrets
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
VAR = HERE / "var"
VAR.mkdir(exist_ok=True)


def _key() -> str:
    """The project's secret: made at the first start, kept beside the database, never committed."""
    path = VAR / "secret-key"
    if not path.exists():
        path.write_text(secrets.token_urlsafe(50), "ascii")
        path.chmod(0o600)
    return path.read_text("ascii")


SECRET_KEY = _key()
DEBUG = False
ALLOWED_HOSTS = ["*"]  # which hosts are served is decided in the site file
ROOT_URLCONF = "tour.admin_site.urls"
WSGI_APPLICATION = "tour.admin_site.wsgi.application"
ASGI_APPLICATION = "tour.admin_site.asgi.application"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "tour.mills.apps.Mills",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": VAR / "tour.sqlite3", "OPTIONS": {"timeout": 20}},
}
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"

# Penstock serves these files itself: they are collected into the folder that is the site's root.
STATIC_URL = "/static/"
STATIC_ROOT = HERE / "public" / "static"

# The project is mounted at /admin, and so are its cookies.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin"
