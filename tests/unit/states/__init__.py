"""Tests of the pure parts of the kinds, one module for each unit."""
