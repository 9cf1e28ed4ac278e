# Sourced: what the changelog says of the release, `version` and `SOURCE_DATE_EPOCH`, so that a build takes no date from its machine.
changelog=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/deb/changelog
version=$(sed -n 's/^micropypi (\(.*\)) .*/\1/p;T;q' "$changelog")
SOURCE_DATE_EPOCH=$(date -d "$(sed -n 's/^ -- .*>  //p;T;q' "$changelog")" +%s)
export SOURCE_DATE_EPOCH
