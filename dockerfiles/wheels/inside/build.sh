#!/bin/sh
# Builds one source distribution or project folder into a wheel in $WHEELS.
# Arguments: the source, then options of `pip wheel`. BEFORE and BUILD are commands of
# versions/wheels.toml; PYTHON and WHEELS are there for them to use. PROJECT is the project's folder
# below the source.
set -eu
source=$1
shift
# A copy: builds write into their source, and what is mounted cannot be written.
work=$(mktemp -d)
case $source in
*.zip) unzip -q "$source" -d "$work" ;;
*.tar.* | *.tgz) tar -xf "$source" -C "$work" ;;
*) cp -R "$source" "$work/" ;;
esac
cd "$work"/*/
cd "$PROJECT"
# The repository of a linked worktree is mounted, and may belong to another user.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
if [ -n "${BEFORE:-}" ]; then
    echo "== before: $BEFORE"
    sh -eu -c "$BEFORE"
fi
if [ -n "${BUILD:-}" ]; then
    echo "== build: $BUILD"
    sh -eu -c "$BUILD"
else
    # Isolated as PEP 517 says: without, pip asks for the module "wheel" in the image.
    "$PYTHON" -m pip wheel --use-pep517 --no-deps --no-cache-dir --disable-pip-version-check \
        --wheel-dir "$WHEELS" "$@" .
fi
