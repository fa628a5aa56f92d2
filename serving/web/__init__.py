"""The analyst's pages: rendered from the store, with little script, nothing from outside."""
