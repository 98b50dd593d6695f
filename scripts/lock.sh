#!/bin/sh
# Writes requirements/*.txt from pyproject.toml: every version, every hash, no address of a registry.
# lock.sh FOLDER_OF_PROGRAMS; give uv's own options after it, such as --upgrade.
set -eu
bin=$1
shift
compile() {
    out=$1
    shift
    "$bin/uv" pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 \
        --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file "requirements/$out.txt" "$@"
}
compile runtime "$@"
compile dev --group dev --constraints requirements/runtime.txt "$@"
for group in build node demo; do
    "$bin/uv" pip compile --group "pyproject.toml:$group" --universal --generate-hashes --python-version 3.11 \
        --constraints requirements/dev.txt --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet \
        --output-file "requirements/$group.txt" "$@"
done
