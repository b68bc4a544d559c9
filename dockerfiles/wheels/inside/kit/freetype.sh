# shellcheck shell=sh # sourced by kit-package.sh
configured freetype --without-harfbuzz --without-png --without-brotli --without-bzip2
