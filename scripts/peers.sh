#!/bin/sh
# Builds other registries and clients from their Go modules into .tools, for tests/interop.
# What is there in the version named here stays as it is.
set -eu
cd "$(dirname "$0")/.."

MODULES="
github.com/google/go-containerregistry/cmd/crane github.com/google/go-containerregistry v0.20.6
github.com/distribution/distribution/v3/cmd/registry github.com/distribution/distribution/v3 v3.0.0
oras.land/oras/cmd/oras oras.land/oras v1.3.6
helm.sh/helm/v3/cmd/helm helm.sh/helm/v3 v3.19.0
github.com/sigstore/cosign/v2/cmd/cosign github.com/sigstore/cosign/v2 v2.6.0
"

if ! command -v go >/dev/null 2>&1; then
    echo "Missing: go (1.25 or newer)" >&2
    exit 1
fi
export GOBIN="$PWD/.tools" CGO_ENABLED=0 GOFLAGS=-trimpath
mkdir -p "$GOBIN"

# is_current FILE MODULE VERSION: what a Go program was built from is written in it.
is_current() {
    [ -x "$1" ] && go version -m "$1" 2>/dev/null | tr '\t' ' ' | grep -q "^ mod $2 $3 "
}

echo "$MODULES" | {
    failed=
    while read -r package module version; do
        [ -n "$package" ] || continue
        name=${package##*/}
        if is_current "$GOBIN/$name" "$module" "$version"; then
            echo "$name $version: there"
        elif echo "$name $version: building" && go install "$package@$version" </dev/null; then
            echo "$name $version: built"
        else
            failed="$failed $name"
        fi
    done
    if ! command -v zot >/dev/null 2>&1; then
        echo "zot: not on PATH; it is not built here, and what would be tested with it is skipped" >&2
    fi
    if [ -n "$failed" ]; then
        echo "Cannot be built here, so their tests are skipped:$failed" >&2
        exit 1
    fi
}
