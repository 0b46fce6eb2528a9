"""``python -m wheeltapper.cli``."""

from wheeltapper.cli import main

if __name__ == "__main__":
    main()
