"""What a request works in: the open projects, the one that is meant, where the page runs, what it can choose from."""
