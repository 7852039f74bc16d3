"""Copy packages from generations on this host instead of installing them."""
