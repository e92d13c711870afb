# enter.sh SYSTEM FOLDER... -- COMMAND...: runs a command in the system that lies in a folder, with
# other folders at their places.  For `unshare --mount`: what is mounted ends with the process.
here=$PWD
system=$1
shift
while [ "$1" != -- ]; do
    mkdir -p "$system$1" && mount --bind "$1" "$system$1" || exit
    shift
done
shift
exec chroot "$system" sh -c 'cd "$0" && exec "$@"' "$here" "$@"
