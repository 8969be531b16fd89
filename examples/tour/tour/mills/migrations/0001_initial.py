"""This file is the first state of the database."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Mill",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80, unique=True)),
                ("river", models.CharField(max_length=80)),
                ("built", models.PositiveSmallIntegerField(help_text="Year")),
                (
                    "head",
                    models.DecimalField(
                        decimal_places=1,
                        help_text="How far the water falls, in metres",
                        max_digits=5,
                        verbose_name="head (m)",
                    ),
                ),
            ],
            options={"ordering": ("name",)},
        ),
        migrations.CreateModel(
            name="Reading",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("taken", models.DateTimeField()),
                ("level", models.DecimalField(decimal_places=2, max_digits=4, verbose_name="level (m)")),
                (
                    "mill",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="readings", to="mills.mill"
                    ),
                ),
            ],
            options={"ordering": ("-taken",)},
        ),
    )
