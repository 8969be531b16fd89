"""What every request passes through: one file, one module."""
