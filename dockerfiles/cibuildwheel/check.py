"""Run by the PyPy in the image for cibuildwheel while that is built: would cibuildwheel work here?

What cibuildwheel runs in the container is in its oci_container.py and platforms/linux.py.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHONS = "/opt/python"
# By cibuildwheel itself, to build with, and for the default repair-wheel-command.
PROGRAMS = ("cat", "env", "mkdir", "mktemp", "mv", "rm", "sh", "tar", "test", "which")
BUILD_PROGRAMS = ("auditwheel", "c++", "cc", "g++", "gcc", "git", "make", "patchelf")
METADATA = "Metadata-Version: 2.1\nName: forty-two\nVersion: 1\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: alpypy\nRoot-Is-Purelib: false\nTag: %s\n"


def output_of(*command, **options):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, check=False, **pipes, **options)
    output = done.stdout.decode("utf-8", "replace").strip()
    assert done.returncode == 0, "%s ended with %d: %s" % (command, done.returncode, output)
    return output


def check_programs():
    for name in PROGRAMS + BUILD_PROGRAMS:
        assert shutil.which(name), "there is no " + name
    output_of("/bin/bash", "-c", 'test -n "$BASH_VERSION"')
    for name in ("bash", "auditwheel", "patchelf"):
        print("image: check: " + output_of(name, "--version").splitlines()[0])


def interpreter():
    """The folder in /opt/python that is this PyPy; there is only one."""
    names = [name for name in os.listdir(PYTHONS) if name != "cp39-cp39"]
    assert len(names) == 1, "%s has %s" % (PYTHONS, names)
    abi = "_".join(sysconfig.get_config_var("EXT_SUFFIX").split(".")[1].split("-")[:2])
    tag = "pp%d%d-%s" % (sys.version_info[0], sys.version_info[1], abi)
    assert names == [tag], "extension modules here are of %s, not of %s" % (tag, names[0])
    return "%s/%s" % (PYTHONS, tag)


def check_interpreter(folder):
    """As cibuildwheel finds it, and the Python that it asks for the environment."""
    path = "%s/bin:%s" % (folder, os.environ["PATH"])
    for name in ("python", "pip"):
        found = output_of("which", name, env=dict(os.environ, PATH=path))
        assert found == "%s/bin/%s" % (folder, name), found
    print("image: check: " + output_of("python", "-m", "build", "--version"))
    output_of(PYTHONS + "/cp39-cp39/bin/python", "-c", "import glob, json, os")
    output_of("pip", "check")
    output_of("pip", "--python", "/opt/tools/bin/python", "check")


def compile_module(folder):
    path = os.path.join(folder, "forty_two" + sysconfig.get_config_var("EXT_SUFFIX"))
    command = sysconfig.get_config_var("LDSHARED").split() + ["-fPIC"]
    command += ["-I" + sysconfig.get_path("include"), "-o", path]
    output_of(*(command + [os.path.join(HERE, "forty_two.c")]))
    return path


def pack(module, tag, folder):
    """A wheel as a build makes it, for linux. auditwheel adds the digests of its files."""
    path = os.path.join(folder, "forty_two-1-%s.whl" % tag)
    name, info = os.path.basename(module), "forty_two-1.dist-info/"
    names = [name] + [info + document for document in ("METADATA", "WHEEL", "RECORD")]
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.write(module, name)
        wheel.writestr(info + "METADATA", METADATA)
        wheel.writestr(info + "WHEEL", WHEEL % tag)
        wheel.writestr(info + "RECORD", "".join(line + ",,\n" for line in names))
    return path


def check_wheel(tag):
    """A wheel is compiled, repaired, installed and imported, without an index."""
    folder = tempfile.mkdtemp()
    platform = "linux_" + os.environ["AUDITWHEEL_ARCH"]
    wheel = pack(compile_module(folder), "%s-%s" % (tag, platform), folder)
    output_of("auditwheel", "repair", "-w", folder + "/repaired", wheel)
    [name] = os.listdir(folder + "/repaired")
    assert os.environ["AUDITWHEEL_PLAT"] in name.split("-")[-1], name
    print("image: check: auditwheel made " + name)
    place = folder + "/installed"
    output_of("pip", "install", "--no-index", "--target", place, folder + "/repaired/" + name)
    answer = "import forty_two; print(forty_two.answer())"
    assert output_of("python", "-c", answer, env=dict(os.environ, PYTHONPATH=place)) == "42"
    shutil.rmtree(folder)


def main():
    check_programs()
    folder = interpreter()
    check_interpreter(folder)
    check_wheel(os.path.basename(folder))


if __name__ == "__main__":
    main()
