#!/bin/sh
# Copies the shared libraries that musl's loader would find into $1, links followed: auditwheel
# reads them where the image's own are out of reach.
for folder in lib usr/local/lib usr/lib; do
    mkdir -p "$1/$folder"
    find "/$folder" -maxdepth 1 -name '*.so*' | while read -r file; do
        test ! -f "$file" || cp -L "$file" "$1/$folder/"
    done
done
