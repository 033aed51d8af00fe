"""Parameters and values of older Packstack releases: what they became, and how to migrate a file."""
