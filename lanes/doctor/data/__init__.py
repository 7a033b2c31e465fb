"""Look after the user's own data: check it, divide it, convert it, label it for correction."""
