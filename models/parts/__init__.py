"""What several systems share, each part once."""
