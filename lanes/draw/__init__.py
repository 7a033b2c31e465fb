"""Labels and figures drawn over pictures."""
