"""One run in a process of its own: who starts it, what it is told, what it says, how it ends."""
