"""This file is the package of the database's history."""
