# PyPy $version for $system, $arch. On such a system, with bash:
#   pyenv install ./$name
if [[ "$$(ldd --version 2>&1)" != "musl libc ($arch)"* ]]; then
  { colorize 1 "ERROR"
    echo ": $name is for $system on $arch, and this is another system."
  } >&2
  exit 1
fi
echo "Made for $system. Packages that it needs there: $packages" >&2
# python-build looks for python$language, which early PyPys do not have.
build_package_names() {
  [ -e "$$PREFIX_PATH/bin/python$language" ] || ln -s python "$$PREFIX_PATH/bin/python$language"
}
install_package "$folder" "$address" "pypy" "names" "$verify" "$pip"
