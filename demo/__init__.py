"""Sample registries with sample content; used by `make demo`, the tests and the benches."""
