"""How bytes become a request, and an answer becomes bytes: no I/O, no clock."""
