"""Changes of registries, on real ones."""
