"""One picture: reading it, its colours' tables, and its way to the network's input and back."""
