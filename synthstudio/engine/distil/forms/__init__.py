"""The forms (parameterisations): what is optimised in the place of an image.

A form is one file called by its name with a subclass of `Form`, one import line here, and one test; `distil.match`
offers every file of this folder. Matching losses never see it: they pull at images, and `pull_back` carries the pull to
the variables.
"""

from synthstudio.engine.distil.form import FORMS, Form, Materials, images_of, pull_back
from synthstudio.engine.distil.forms import generator, latents, pixels  # noqa: F401 - fills the table

__all__ = ["FORMS", "Form", "Materials", "images_of", "pull_back"]
