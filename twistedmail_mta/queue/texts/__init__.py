"""What reports say to people, in every language that there is."""
