"""Remembering: the index on SQLite or PostgreSQL."""
