"""This file is the demonstration user: known to the overview page and to the first start."""

USER = "miller"
PASSWORD = "millstream"
