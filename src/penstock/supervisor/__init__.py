"""How processes live: started anew when the code changes."""
