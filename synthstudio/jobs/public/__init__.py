"""What a public copy of the page adds: quotas and their account of room, which models run there, ZeroGPU."""
