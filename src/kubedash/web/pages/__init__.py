"""Handlers that answer HTML."""
