"""What gradio shows: one file per tab or form, and what forms are made of."""
