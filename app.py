"""SynthStudio's page: `python app.py [--home FOLDER]`, and what a Hugging Face Space runs."""

import typer

from synthstudio.cli.page import page

if __name__ == "__main__":
    typer.run(page)
