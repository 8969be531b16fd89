"""What answers a request: plain functions and static files."""
