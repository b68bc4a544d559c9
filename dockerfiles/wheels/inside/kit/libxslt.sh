# shellcheck shell=sh # sourced by kit-package.sh
configured libxslt --without-python --without-crypto
