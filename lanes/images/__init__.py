"""Read single pictures, resize or tile them for the network, and resize labels back."""
