#!/usr/bin/env bash
# What a change does to every stack: scripts/plan-comment.sh <base commit> <summary file> <comment file>
# Both files are written anew as Markdown; the comment is shortened where it would be too long for one. Exit code: 0 every plan is
# accepted, 2 one is refused, 1 one cannot be understood, or the commit is not there.
set -euo pipefail

base=$1 summary=$2 comment=$3
# GitHub takes comments of at most 65,536 characters.
max_bytes=${PLAN_COMMENT_BYTES:-60000}
product=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
repository=$(git rev-parse --show-toplevel)
if ! git rev-parse --quiet --verify "$base^{commit}" >/dev/null; then
  echo "plan-comment: there is no commit $base here; is the history fetched (fetch-depth: 0)?" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The name that reports call it by; plan reads stacks from its working directory.
before="$work/the base branch"

# The report of a stack on stdout, whatever it complains about in $work/errors.
plan() { (cd "$work" && PATH="$product/node_modules/.bin:$PATH" node "$product/cli/mcp-stack.js" plan "$@" --markdown 2>errors); }

# Lines of somebody's file, indented as code: a fence could be closed from within.
quoted() { printf '\n'; sed 's/^/    /' "$work/errors"; printf '\n'; }

# The report beside the base branch's plan, where that can be read; answers plan's exit code.
report() {
  local stack=$1 code=0
  if ! git show "$base:Pulumi.$stack.yaml" >"$before" 2>/dev/null; then
    plan -s "$stack" >"$work/report" || code=$?
    printf '\nNew: the base branch has no Pulumi.%s.yaml.\n' "$stack" >>"$work/report"
    return "$code"
  fi
  plan -s "$stack" --diff "the base branch" >"$work/report" || code=$?
  [ "$code" = 1 ] || return "$code"
  # Perhaps it is only the base branch that this version does not understand.
  mv "$work/errors" "$work/errors.before"
  code=0
  plan -s "$stack" >"$work/report" || code=$?
  [ "$code" != 1 ] || return 1
  mv "$work/errors.before" "$work/errors"
  { printf '\nNot compared with the base branch:\n'; quoted; } >>"$work/report"
  return "$code"
}

# The section of one stack on stdout; answers the same code. A plan that does not change is folded away below its verdict.
section() {
  local stack=$1 code=0 unchanged
  cp "$repository/Pulumi.$stack.yaml" "$work/"
  report "$stack" || code=$?
  if [ "$code" = 1 ]; then
    printf '## Stack %s is not understood\n' "$stack"
    quoted
  elif [ "$code" = 0 ] && unchanged=$(grep '^No number changes from ' "$work/report"); then
    sed -n 1p "$work/report"
    printf '\n%s\n\n<details><summary>The plan</summary>\n' "$unchanged"
    sed 1d "$work/report" | grep -vxF "$unchanged"
    printf '\n</details>\n\n'
  else
    cat "$work/report"
    printf '\n'
  fi
  return "$code"
}

# Names of stack files on stdin, their stacks on stdout.
names() { sed -n 's/^Pulumi\.\([A-Za-z0-9_][A-Za-z0-9_.-]*\)\.yaml$/\1/p' | LC_ALL=C sort; }

here=$(cd "$repository" && printf '%s\n' Pulumi.*.yaml | names)
there=$(git ls-tree --full-tree --name-only "$base" | names)
worst=0
{
  # By this line the comment is found again.
  printf '<!-- mcp-stack plan -->\n'
  [ -n "$here" ] || printf 'There is no stack: no file Pulumi.<stack>.yaml.\n'
  for stack in $here; do
    code=0
    section "$stack" || code=$?
    # Not understood is worse than refused: nothing is known then.
    if [ "$code" = 1 ] || [ "$worst" = 0 ]; then worst=$code; fi
  done
  for stack in $there; do
    printf '%s\n' "$here" | grep -qxF "$stack" || printf '## Stack %s is removed\n\nWhat it deployed stays until it is destroyed.\n\n' "$stack"
  done
} >"$summary"

if [ "$(wc -c <"$summary")" -le "$max_bytes" ]; then
  cat "$summary" >"$comment"
else
  { grep -E '^(<!-- mcp-stack plan -->|## )' "$summary"; printf '\nThe reports are too long for a comment: they stand in the summary of the job.\n'; } >"$comment"
fi
exit "$worst"
