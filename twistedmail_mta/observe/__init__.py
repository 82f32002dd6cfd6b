"""What the running server tells people and programs about itself."""
