"""How `pico`, the bundled backbone, was trained. Nothing else in the package imports this folder."""
