"""The bench: cases, the servers they compare, the loads they put on them, and what came out."""
