"""Who may reach the page: the guard, lines and peers, visitors and their houses, the way into a project."""
