"""The page. Only this package imports gradio; nothing here imports torch.

Importing the package itself loads nothing, so that its helper processes start at once.
"""
