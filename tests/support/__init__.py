"""What tests make for themselves: wheels, source projects and a package index to serve them."""
