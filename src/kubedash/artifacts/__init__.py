"""What a manifest means: pure decisions over the values of `kubedash.oci`."""
