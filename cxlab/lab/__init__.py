"""What the keyboard needs: starters for one's own data."""
