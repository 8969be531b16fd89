"""A bakery's site: five small modules around two plain functions."""
