"""This file is the first start: the database, the demonstration user, some mills, and Django's static files."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command

from tour.demonstration import PASSWORD, USER
from tour.mills.models import Mill, Reading

MILLS = (
    ("Long Weir", "Aller", 1784, "3.2"),
    ("Stone Bridge", "Aller", 1851, "5.5"),
    ("Upper Sluice", "Brenne", 1911, "12.4"),
)


def prepare() -> None:
    """Make what is missing. Later starts find everything there; two that start at once wait for each other."""
    with closing(sqlite3.connect(settings.VAR / "first-start.lock", timeout=60, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        _make_user()
        _make_mills()


def _make_user() -> None:
    users = get_user_model().objects
    if not users.filter(username=USER).exists():
        users.create_superuser(USER, email="miller@example.org", password=PASSWORD)


def _make_mills() -> None:
    if Mill.objects.exists():
        return
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for index, (name, river, built, head) in enumerate(MILLS):
        mill = Mill.objects.create(name=name, river=river, built=built, head=Decimal(head))
        for hours in range(6):
            level = Decimal(120 + 25 * index + (hours * 7) % 20) / 100
            Reading.objects.create(mill=mill, taken=now - timedelta(hours=hours), level=level)
