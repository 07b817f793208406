# shellcheck shell=bash
# Read by release.sh and what it calls: puts values into a template, and tells what programs load.

# Prints the template $1 with each @NAME@ replaced by the variable NAME; one that is not set is an error.
fill() {
    local text name
    text=$(<"$1")
    while [[ $text =~ @([A-Z][A-Z0-9_]*)@ ]]; do
        name=${BASH_REMATCH[1]}
        text=${text//"@$name@"/"${!name?is not set, and $1 wants it}"}
    done
    printf '%s\n' "$text"
}

# Whether a program loads no library.
is_static() {
    ! readelf --program-headers --wide "$1" | grep --quiet INTERP
}

# The newest version of that name, GLIBC for one, that programs want of the libraries they load.
newest_version() {
    readelf --version-info --wide "${@:2}" | sed -n "s/.* Name: $1_\\([0-9][0-9.]*\\) .*/\\1/p" | sort --version-sort | tail -n 1
}

# Gives all of a tree the time of the commit and plain modes, whatever the umask and the clock are.
settle() {
    find "$1" -type d -exec chmod 755 {} +
    find "$1" -type f -perm /111 -exec chmod 755 {} +
    find "$1" -type f ! -perm /111 -exec chmod 644 {} +
    find "$1" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
}
