#!/bin/sh
# Prints what the verify image is: sections, each after a line "== <name>".
echo "== release"
cat /etc/alpine-release
echo "== arch"
apk --print-arch
echo "== libraries"
# musl's own default, unless the image sets another (colons and newlines both separate).
path=/lib:/usr/local/lib:/usr/lib
for file in /etc/ld-musl-*.path; do
    test ! -f "$file" || path=$(cat "$file")
done
echo "$path" | tr ':' '\n' | while read -r folder; do
    find "$folder" -maxdepth 1 -name '*.so*' 2>/dev/null
done
echo "== installed"
# Alpine moved the database below /usr in apk-tools 3's time.
cat /lib/apk/db/installed 2>/dev/null || cat /usr/lib/apk/db/installed
