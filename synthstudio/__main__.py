"""`python -m synthstudio`."""

from synthstudio.cli import main

main()
