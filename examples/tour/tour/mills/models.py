"""This file is what the database holds: mills, and readings of the water level at them."""

from django.db import models


class Mill(models.Model):
    name = models.CharField(max_length=80, unique=True)
    river = models.CharField(max_length=80)
    built = models.PositiveSmallIntegerField(help_text="Year")
    head = models.DecimalField(
        "head (m)", max_digits=5, decimal_places=1, help_text="How far the water falls, in metres"
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Reading(models.Model):
    mill = models.ForeignKey(Mill, on_delete=models.CASCADE, related_name="readings")
    taken = models.DateTimeField()
    level = models.DecimalField("level (m)", max_digits=4, decimal_places=2)

    class Meta:
        ordering = ("-taken",)

    def __str__(self) -> str:
        return f"{self.mill}: {self.level} m"
