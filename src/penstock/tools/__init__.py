"""For the person at the keyboard: the command line."""
