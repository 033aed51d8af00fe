"""Read the parameters and values of older Packstack releases."""
