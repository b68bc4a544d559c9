"""pip from what the release bundles, and a wheel installed with it, without a network.

3.x: a virtual environment. 2.7 has no venv, and the tree is read-only as on a system: pip goes to
the user's own folder, and the wheel with it.
"""

import ensurepip
import glob
import os
import sys
import tempfile

from probing import Probe, equal, output_of

probe = Probe("packages")
# A package that is installed with a wheel that the verifier made: its module and its command.
WHEEL = glob.glob(os.path.join(probe.request["materials"], "*.whl"))[0]
CODE = "import alpypy_probe; print(alpypy_probe.ANSWER)"
OFFLINE = ["install", "--no-index", "--disable-pip-version-check"]


def last_line(output):
    return output.strip().splitlines()[-1]


def installed(python, scripts, options):
    """Install the wheel with ``python``'s pip, then import it and run its command."""
    version = last_line(output_of([python, "-c", "import pip; print(pip.__version__)"]))
    equal(version, ensurepip.version(), "version of the pip that ensurepip installed")
    output_of([python, "-m", "pip"] + OFFLINE + options + [WHEEL])
    equal(last_line(output_of([python, "-c", CODE])), "42", "what the module gave")
    equal(last_line(output_of([os.path.join(scripts, "alpypy-probe")])), "42", "what it printed")


def in_user_folder():
    home = tempfile.mkdtemp()
    os.environ["PYTHONUSERBASE"] = home
    os.environ["PIP_NO_WARN_SCRIPT_LOCATION"] = "1"
    output_of([sys.executable, "-m", "ensurepip", "--user"])
    installed(sys.executable, os.path.join(home, "bin"), ["--user"])


def new_environment():
    """The folder of a new virtual environment."""
    folder = os.path.join(tempfile.mkdtemp(), "environment")
    output_of([sys.executable, "-m", "venv", folder])
    return folder


def in_environment():
    folder = new_environment()
    scripts = os.path.join(folder, "bin")
    installed(os.path.join(scripts, "python"), scripts, [])
    code = "import sys; print(sys.prefix)"
    prefix = last_line(output_of([os.path.join(scripts, "python"), "-c", code]))
    equal(os.path.realpath(prefix), os.path.realpath(folder), "sys.prefix")


def pip_check():
    """What PyPy brings itself, such as cffi and hpy, asks for nothing that is not there."""
    output_of([os.path.join(new_environment(), "bin", "python"), "-m", "pip", "check"])


if sys.version_info[0] == 2:
    probe.add("user_folder", in_user_folder)
else:
    probe.add("venv", in_environment)
    probe.add("pip_check", pip_check)

if __name__ == "__main__":
    probe.run()
