"""What a project knows: its photos and models, how long something takes, how fast it goes, what was found."""
