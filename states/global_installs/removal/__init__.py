"""Move packages out of site directories into a store, and back."""
