"""``python -m alpypy`` is the program ``alpypy``."""

from alpypy.cli.program import main

main()
