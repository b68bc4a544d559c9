"""alpypy's commands in a checkout: `invoke --list` shows them, `invoke --help bootstrap` the
options of one. They are those of the program `alpypy`: see alpypy/cli."""

import sys

# Invoke turns the cache of compiled modules off, and each start would compile them all.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

from alpypy.cli.program import namespace as commands  # noqa: E402
from alpypy.cli.program import take_over  # noqa: E402

take_over()
namespace = commands()
