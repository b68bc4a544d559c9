"""The habits of this project, by name: `nox --list` shows them, `nox` runs the quick checks.

All of them use the environment in .venv, with the versions of requirements-dev.lock.
`.ci/run`, .github/workflows and .pre-commit-config.yaml run the checks as these sessions, so that
all of them check the same. `.ci/run` and the workflows call `./test` and `./quickstart` themselves,
as the sessions unit, containers and quickstart do.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "imports", "shell", "workflows", "changelog", "unit"]

# `sh` reads what has no suffix; the kit's script is part of what its image is called by.
SCRIPTS = ["setup.sh", "quickstart", "test", ".ci/run", "scripts/tool-cache.sh"]
KIT_SCRIPT = "dockerfiles/kit/build-library.sh"


def run(session: nox.Session, tool: str, *arguments: str) -> None:
    """Run a tool of .venv, which is made or brought up to date first."""
    session.run("sh", "-euc", ". ./setup.sh; setup_python requirements-dev.lock", log=False)
    session.run(f".venv/bin/{tool}", *arguments)


@nox.session(tags=["check"])
def lint(session: nox.Session) -> None:
    """Check Python's rules and format with ruff; `nox -s lint -- --fix` repairs what it can."""
    run(session, "ruff", "check", *session.posargs)
    run(session, "ruff", "format", *([] if "--fix" in session.posargs else ["--check"]))


@nox.session(tags=["check"])
def types(session: nox.Session) -> None:
    """Check types with mypy."""
    run(session, "mypy", *session.posargs)


@nox.session(tags=["check"])
def imports(session: nox.Session) -> None:
    """Check which package imports which (pyproject.toml has the layers)."""
    run(session, "lint-imports", "--no-logo", *session.posargs)


@nox.session(tags=["check"])
def shell(session: nox.Session) -> None:
    """Check shell scripts with shellcheck."""
    scripts = sorted(map(str, Path("dockerfiles").rglob("*.sh")))
    scripts.remove(KIT_SCRIPT)
    run(session, "shellcheck", *SCRIPTS, *scripts)
    # A comment that turns a rule off for a line would give the kit's image another name.
    run(session, "shellcheck", "--exclude", "SC2046,SC2086", KIT_SCRIPT)


@nox.session(tags=["check"])
def workflows(session: nox.Session) -> None:
    """Check GitHub's workflows with actionlint and zizmor."""
    run(session, "actionlint", "-shellcheck", ".venv/bin/shellcheck", *session.posargs)
    run(session, "zizmor", "--offline", "--strict-collection", "--persona", "pedantic", ".github")


@nox.session(tags=["check"])
def changelog(session: nox.Session) -> None:
    """Show the changelog's next section, made of the files in changes/."""
    run(session, "towncrier", "build", "--draft", "--version", "next", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """Run the tests that need no container."""
    session.run("./test", "tests/unit", *session.posargs)


@nox.session
def containers(session: nox.Session) -> None:
    """Run the tests with containers; without an engine, one is installed and started."""
    session.run("./test", "tests/container", *session.posargs)


@nox.session
def quickstart(session: nox.Session) -> None:
    """Do what the README promises: from nothing to a verified tarball."""
    session.run("./quickstart", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the pages that are made of data again, and check links in all pages."""
    run(session, "invoke", "patches", "--write-docs")
    run(session, "python", "-m", "scripts.compatibility")
    run(session, "python", "-m", "pytest", "-q", "tests/unit/docs")


@nox.session
def schemas(session: nox.Session) -> None:
    """Write the JSON Schemas of the TOML files again, after a change of the structs."""
    run(session, "python", "-m", "scripts.schemas")


@nox.session
def update(session: nox.Session) -> None:
    """List what has been published since in versions/; `-- --check` only says what is new."""
    run(session, "invoke", "update", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Lock what pyproject.toml asks for; `nox -s lock -- --upgrade` takes the newest versions."""
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
    for group, file in (([], "requirements.lock"), (["--group", "dev"], "requirements-dev.lock")):
        words = [*options, *group, *session.posargs, "--output-file", file, "pyproject.toml"]
        run(session, "uv", "pip", "compile", "--quiet", *words)
    words = [*options[3:], "--python-version", "3.9", "--no-emit-package", "psutil", "--no-build"]
    words += [*session.posargs, "--output-file", "benchmarks/requirements.lock"]
    run(session, "uv", "pip", "compile", "--quiet", *words, "benchmarks/requirements.in")
    tools = Path("tests/fixtures/tools")  # that run in an Alpine
    words = [*options[1:], "--python-platform", "x86_64-unknown-linux-musl", *session.posargs]
    words += ["--overrides", str(tools / "without.txt")]
    words += ["--output-file", str(tools / "tools.lock"), str(tools / "tools.in")]
    run(session, "uv", "pip", "compile", "--quiet", *words)


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel and the source archive into dist/."""
    run(session, "uv", "build", *session.posargs)
