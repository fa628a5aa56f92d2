"""Bundles come into service: published, checked, loaded, exchanged."""
