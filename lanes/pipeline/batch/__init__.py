"""Labels many videos and images with several workers, and keeps a list of what is done."""
