"""Where a request arrives: the own listener, and an in-memory host for tests."""
