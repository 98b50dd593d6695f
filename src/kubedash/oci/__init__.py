"""The OCI and Docker specifications as values: pure, no input or output."""
