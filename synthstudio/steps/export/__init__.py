"""Write what others can load."""
