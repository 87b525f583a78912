# Read by the scripts beside it: installs what was built to a folder of its own, which goes with the script.
# Sets $stage, $libdir and $api (the flags of pkg-config are asked with it, as if the stage were /).

set -eu
export LC_ALL=C
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage

DESTDIR=$stage meson install -C "$MICROPAY_BUILD" --no-rebuild --quiet

pc=$(find "$stage" -name micropay.pc)
[ -n "$pc" ] || { echo "no micropay.pc was installed"; exit 1; }
prefix=$stage$(sed -n 's/^prefix=//p' "$pc")
export PKG_CONFIG_PATH="${pc%/*}"
libdir=$(pkg-config --define-variable=prefix="$prefix" --variable=libdir micropay)

# flags [--static] --cflags|--libs ... : what pkg-config says of the installed library
flags()
{
    pkg-config --define-variable=prefix="$prefix" "$@" micropay
}
