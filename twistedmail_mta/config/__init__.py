"""The site file: TOML in, frozen models out, every mistake at once with its key path."""
