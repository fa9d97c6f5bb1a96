"""A broker and its integration, each a distribution of its own, as *Write your own integration* has them."""
