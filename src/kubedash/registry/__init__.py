"""Talking to registries over HTTP."""
