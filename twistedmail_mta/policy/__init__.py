"""What ships as plugins, one file each, and the running of all plugins."""
