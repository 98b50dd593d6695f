"""Checks that `make check` runs, and small helpers of the build."""
