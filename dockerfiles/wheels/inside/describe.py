"""Runs on the interpreter that wheels are for (Python 2 too): prints what it is, as JSON.

"bundled" are distributions that are part of the interpreter's own library, such as PyPy's cffi:
pip takes them for installed, and none of an index can replace them.
"""

import glob
import io
import json
import os
import platform
import subprocess
import sys


def read(path):
    """A distribution's metadata, whatever form it is kept in; None when it is none."""
    for name in (path, os.path.join(path, "METADATA"), os.path.join(path, "PKG-INFO")):
        if os.path.isfile(name):
            with io.open(name, encoding="utf-8", errors="replace") as stream:
                return stream.read()
    return None


def fields(text):
    """Name and version of a metadata document."""
    head = text.split("\n\n")[0].splitlines()
    pairs = dict(line.split(": ", 1) for line in head if ": " in line)
    return pairs.get("Name"), pairs.get("Version")


def bundled():
    for folder in sys.path:
        if os.path.basename(folder) in ("site-packages", "dist-packages"):
            continue
        for pattern in ("*.dist-info", "*.egg-info"):
            for path in sorted(glob.glob(os.path.join(folder, pattern))):
                text = read(path)
                name, version = fields(text) if text else (None, None)
                if name and version:
                    yield {"name": name, "version": version, "metadata": text}


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    process = subprocess.Popen(
        command + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return process.communicate()[0].decode("utf-8", "replace")


def markers():
    """What environment markers of requirements ask for (PEP 508); the kernel is not its own."""
    implementation = getattr(sys, "implementation", None)  # Python 2 has none
    version = tuple(implementation.version) if implementation else ()
    level = "" if version[3:4] in ((), ("final",)) else "%s%d" % (version[3][0], version[4])
    return {
        "implementation_name": implementation.name if implementation else "",
        "implementation_version": "%d.%d.%d" % version[:3] + level if version else "0",
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_system": platform.system(),
        "python_full_version": platform.python_version(),
        "python_version": "%d.%d" % sys.version_info[:2],
        "sys_platform": sys.platform,
    }


release = getattr(sys, "pypy_version_info", sys.version_info)
said = pip("debug", "--verbose")
print(
    json.dumps(
        {
            "implementation": platform.python_implementation(),
            "language": "%d.%d" % sys.version_info[:2],
            "release": "%d.%d.%d" % release[:3],
            "level": release[3],
            "serial": release[4],
            "pip": said.partition("pip version: pip ")[2].split(" ")[0],
            "musllinux": "musllinux_" in said,
            "bundled": list(bundled()),
            "markers": markers(),
        }
    )
)
