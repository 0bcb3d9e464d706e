"""What the page's script asks for: routes, and beside each the views that make its documents. No gradio."""
