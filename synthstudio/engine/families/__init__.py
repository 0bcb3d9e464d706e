"""Families of text-to-image models: one file for each, which says in what it differs from the others.

A family is a subclass of `base.Backbone`, named in `backbones.FAMILIES` and, with the classes that its folders may
hold, in `modelfolder`. Whatever trains, samples, merges and exports asks the family and knows none by name.
"""
