"""Sample answer files, a package so that an installed wheel contains them."""
