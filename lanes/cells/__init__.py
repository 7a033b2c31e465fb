"""From labels to cells: instances, borders, tables."""
