"""What is kept from earlier resolutions, and when."""
