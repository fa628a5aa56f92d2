"""A mapping drafts itself: an unknown export becomes a commented TOML with questions."""
