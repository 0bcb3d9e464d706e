"""Try settings of sampling and choose among them by what their images teach, on photos that are held for choosing."""
