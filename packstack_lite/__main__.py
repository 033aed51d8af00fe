"""Run the command line: ``python -m packstack_lite``."""

from packstack_lite.cli.app import main

if __name__ == "__main__":
    main()
