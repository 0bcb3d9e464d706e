"""Adapters: small trained changes of a frozen text-to-image model, of several kinds.

`kinds` says which kinds there are and how peft configures them. A kind that is W + s · B A is trained by `beside`:
hooks run the factors beside the layers. Every other kind is trained in peft's own layers (`wrapped`). Both show the
trainer one flat vector. `files` writes and reads what either made, in the formats of diffusers and peft; `merging`
puts an adapter of any kind into the weights of a model and takes it out again.
"""
