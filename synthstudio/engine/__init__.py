"""torch, diffusers, peft and open_clip live here. Plain values in, tensors and images out; the engine knows no Step."""
