"""What is asked for: recipes, what a person typed, the nodes of a pipeline, and what no step may be given."""
