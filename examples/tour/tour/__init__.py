"""This file is the tour's package: everything the site file beside it names."""
