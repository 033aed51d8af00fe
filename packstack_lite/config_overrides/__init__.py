"""--config-dir: the user's own configuration files.

``loader`` reads them, ``overlay`` merges them into the declared resources, ``option_check`` has the
node check that the options exist.
"""
