"""torch, diffusers, peft, accelerate, open_clip and timm live here. Plain values in, tensors and images out.

The engine knows no Step.
"""
