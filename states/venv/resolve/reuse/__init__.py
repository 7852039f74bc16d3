"""Versions kept from earlier resolutions, and the rules for keeping them."""
