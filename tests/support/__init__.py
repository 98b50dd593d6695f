"""Help for tests of every layer."""
