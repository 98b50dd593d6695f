"""KubeDash: the dashboard for Docker and OCI registries."""

__version__ = "0.1.0"
