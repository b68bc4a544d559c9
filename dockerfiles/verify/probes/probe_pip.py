"""Which wheels the bundled pip takes: those for musl where it knows them, those for glibc never.

It runs out of a folder that the bundled wheel is unpacked into; that ensurepip installs it is for
the probe of packages. musllinux is known from pip 21.2 on.
"""

import base64
import ensurepip
import glob
import hashlib
import json
import os
import sys
import sysconfig
import tempfile
import zipfile

from probing import Probe, completed, equal, expect, musl_version, output_of

probe = Probe("pip")
VERSION = ensurepip.version()
KNOWS_MUSLLINUX = tuple(int(part) for part in VERSION.split(".")[:2]) >= (21, 2)
ARCH = probe.request["arch"]
# As wheels on the index name them: all that a wheel for an old glibc may be tagged with.
MANYLINUX = ".".join(
    "%s_%s" % (name, ARCH)
    for name in ("manylinux1", "manylinux2010", "manylinux2014", "manylinux_2_17")
)
(WHEEL,) = glob.glob(os.path.join(probe.request["materials"], "*.whl"))
# pip has had its list of tags in three places, and in two forms.
ASK_PIP = """
import json
try:
    from pip._internal.utils.compatibility_tags import get_supported
except ImportError:
    try:
        from pip._internal.pep425tags import get_supported
    except ImportError:
        from pip.pep425tags import get_supported
tags = ["-".join(tag) if isinstance(tag, tuple) else str(tag) for tag in get_supported()]
print(json.dumps(tags))
"""


def unpacked_pip():
    """Environment in which the bundled pip can be imported. What it compiles is kept, as it is run
    several times."""
    bundled = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")
    (wheel,) = glob.glob(os.path.join(bundled, "pip-%s-*.whl" % VERSION))
    folder = tempfile.mkdtemp()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": ""}


WITH_PIP = unpacked_pip()
ANSWER = completed([sys.executable, "-c", ASK_PIP], WITH_PIP)


def supported_tags():
    """All tags that pip takes; the first ones are of this Python and its ABI."""
    code, output = ANSWER
    expect(code == 0, "asked for its tags, pip %s ended with %s: %s" % (VERSION, code, output))
    return json.loads(output.strip().splitlines()[-1])


def tag_for(platform):
    """A tag of this Python and its ABI, as this pip writes it."""
    python, abi, _ = supported_tags()[0].split("-")
    return "%s-%s-%s" % (python, abi, platform)


def musllinux(minor_ahead=0):
    """The platform of a wheel for the musl that is here, or for a later one."""
    major, minor = musl_version().split(".")[:2]
    return "musllinux_%s_%d_%s" % (major, int(minor) + minor_ahead, ARCH)


def wheel_tagged(tag):
    """The verifier's wheel, made anew for another tag."""
    with zipfile.ZipFile(WHEEL) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (record,) = [name for name in files if name.endswith(".dist-info/RECORD")]
    about = record.replace("RECORD", "WHEEL")
    files[about] = text_of_wheel(tag).encode()
    lines = [line for line in files[record].decode().splitlines() if not line.startswith(about)]
    digest = base64.urlsafe_b64encode(hashlib.sha256(files[about]).digest()).decode().rstrip("=")
    lines.append("%s,sha256=%s,%d" % (about, digest, len(files[about])))
    files[record] = ("\n".join(lines) + "\n").encode()
    path = os.path.join(tempfile.mkdtemp(), "alpypy_probe-1.0-%s.whl" % tag)
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(files):
            archive.writestr(name, files[name])
    return path


def text_of_wheel(tag):
    """The WHEEL file of a wheel that is not pure Python; a line for each of its platforms."""
    python, abi, platforms = tag.split("-")
    tags = ["%s-%s-%s" % (python, abi, platform) for platform in platforms.split(".")]
    lines = ["Wheel-Version: 1.0", "Generator: alpypy", "Root-Is-Purelib: false"]
    return "\n".join(lines + ["Tag: " + one for one in tags]) + "\n"


def install(tag):
    """Exit code and output of pip, and the folder that a wheel of that tag is installed into.

    Not by --target: into that, pip 20.0.2 installs a file of any tag.
    """
    root = tempfile.mkdtemp()
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps"]
    command += ["--disable-pip-version-check", "--root", root, wheel_tagged(tag)]
    return completed(command, WITH_PIP) + (root + sysconfig.get_paths()["platlib"],)


def taken(platform):
    """pip installs a wheel for that platform, and what it holds can be imported."""
    tag = tag_for(platform)
    code, output, folder = install(tag)
    expect(code == 0, "pip %s does not take a wheel tagged %s: %s" % (VERSION, tag, output))
    code = "import alpypy_probe; print(alpypy_probe.ANSWER)"
    answer = output_of([sys.executable, "-c", code], {"PYTHONPATH": folder})
    equal(answer.strip(), "42", "what the module gave")


def refused(platform):
    """pip says that a wheel for that platform is for another one."""
    tag = tag_for(platform)
    code, output, _ = install(tag)
    expect(code != 0, "pip %s takes a wheel tagged %s" % (VERSION, tag))
    expect("is not a supported wheel on this platform" in output, "pip says %s" % output)


@probe.check
def no_tag_is_of_glibc():
    found = [tag for tag in supported_tags() if "manylinux" in tag]
    equal(found, [], "tags of glibc that pip %s takes" % VERSION)


probe.add("manylinux_is_refused", refused, MANYLINUX)
if KNOWS_MUSLLINUX:

    @probe.check
    def tag_of_this_musl():
        python = "pp%d%d" % sys.version_info[:2]
        # From 3.12 on SOABI names the platform too, which is no part of the tag.
        abi = "_".join(sysconfig.get_config_var("SOABI").split("-")[:2])
        tag = "-".join([python, abi, musllinux()])
        expect(tag in supported_tags(), "pip %s does not know the tag %s" % (VERSION, tag))

    probe.add("musllinux_is_taken", taken, musllinux())
    probe.add("musllinux_of_a_later_musl_is_refused", refused, musllinux(minor_ahead=1))
else:
    probe.add("linux_is_taken", taken, "linux_" + ARCH)

if __name__ == "__main__":
    probe.run()
