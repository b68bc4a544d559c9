# shellcheck shell=sh # sourced by kit-package.sh
configured libxml2 --without-python --with-zlib --with-lzma --without-icu
