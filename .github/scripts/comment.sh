#!/usr/bin/env bash
# Write a file as the one comment of its kind on a pull request: comment.sh NUMBER FILE
# An earlier comment that begins with the same first line (a hidden marker) is replaced.
set -euo pipefail
number=$1 file=$2
marker=$(sed -n 1p "$file")
comments="repos/$GITHUB_REPOSITORY/issues/$number/comments"
earlier=$(gh api --paginate "$comments" --jq ".[] | select(.body | startswith(\"$marker\")) | .id" | sed -n 1p)
if [ -n "$earlier" ]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$earlier" --field "body=@$file"
else
    gh api --silent --method POST "$comments" --field "body=@$file"
fi
