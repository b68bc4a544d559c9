# shellcheck shell=sh
# Installs packages into a root file system and copies what that changed there into another folder.
# Arguments: the root, the folder, then what to install, as apk names it (so:libffi.so.8).
set -eu
root=$1 layer=$2
shift 2
mkdir "$layer"
[ $# -gt 0 ] || exit 0

# A line for each file and link: digest and path, or the path alone.
state() {
    cd "$root"
    find . -type f -exec sha256sum {} +
    find . -type l
}

echo "image: installing $*"
state >/tmp/before
# This system's repositories and keys: the kit's are not in the image.
apk add --root "$root" --no-cache --repositories-file /etc/apk/repositories \
    --keys-dir /etc/apk/keys --virtual .pypy-rundeps -- "$@"
rm -f "$root/var/log/apk.log"
state >/tmp/after
grep -vxFf /tmp/before /tmp/after | sed 's/^[0-9a-f]\{64\}  //' >/tmp/changed
tar -c -C "$root" -T /tmp/changed | tar -x -C "$layer"
