"""The JSON API: each handler parses, calls a workflow and answers its record."""
