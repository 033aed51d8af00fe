"""The configuration files, as templates; a package so that an installed wheel finds them."""
