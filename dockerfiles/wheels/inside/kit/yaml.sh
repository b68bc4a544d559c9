# shellcheck shell=sh # sourced by kit-package.sh
# Debian's archive has no configure script: eight files and their version.
folder=/out/yaml/usr
mkdir -p "$folder/lib/pkgconfig" "$folder/include"
# shellcheck disable=SC2086 # several flags
gcc $CFLAGS -Iinclude -DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 \
    -DYAML_VERSION_STRING='"0.2.5"' -shared -Wl,-soname,libyaml-0.so.2 \
    -o "$folder/lib/libyaml-0.so.2.0.9" src/*.c
ln -s libyaml-0.so.2.0.9 "$folder/lib/libyaml-0.so.2"
ln -s libyaml-0.so.2.0.9 "$folder/lib/libyaml.so"
cp include/yaml.h "$folder/include/"
printf 'Name: yaml\nDescription: YAML\nVersion: 0.2.5\nLibs: -lyaml\n' \
    >"$folder/lib/pkgconfig/yaml-0.1.pc"
