"""What people do: one file an intention, permission checked in the first line."""
