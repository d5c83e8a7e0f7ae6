#!/usr/bin/env bash
# Runs a gate in a job of GitHub Actions: fetches the base of a shallow checkout, writes
# the summary and annotations, and leaves verdict, run and code as outputs. It ends with
# 0, so that later steps can keep the results; the last step of the action ends with code,
# which is 0 for an inconclusive gate.
#
# HARNESS is the binary; GATE_* are the action's inputs.
set -euo pipefail

args=()
if [ -n "${GATE_WORKLOAD:-}" ]; then
  args+=(--workload "$GATE_WORKLOAD")
  [ -z "${GATE_BASE_COMMAND:-}" ] || args+=(--base-command "$GATE_BASE_COMMAND")
  [ -z "${GATE_HEAD_COMMAND:-}" ] || args+=(--head-command "$GATE_HEAD_COMMAND")
  [ -z "${GATE_BASE_IMAGE:-}" ] || args+=(--base-image "$GATE_BASE_IMAGE")
  [ -z "${GATE_HEAD_IMAGE:-}" ] || args+=(--head-image "$GATE_HEAD_IMAGE")
else
  if [ -z "${GATE_BASE:-}" ]; then
    echo "::error title=performance gate::the input base is empty, and this is not the job of a pull request"
    printf 'verdict=error\ncode=2\n' >> "$GITHUB_OUTPUT"
    exit 0
  fi
  # A shallow checkout has only the head; one commit more is enough.
  git cat-file -e "$GATE_BASE^{commit}" 2>/dev/null || git fetch --no-tags --depth=1 origin "$GATE_BASE"
  args+=(--base "$GATE_BASE")
fi
read -r -a more <<< "${GATE_ARGS:-}"

code=0
"$HARNESS" gate --reports reports "${args[@]}" "${more[@]+"${more[@]}"}" || code=$?

run=$(readlink -f reports/latest-gate 2>/dev/null || true)
if [ -n "$run" ] && [ -f "$run/gate.md" ]; then
  cat "$run/gate.md" >> "$GITHUB_STEP_SUMMARY"
  echo "run=$run" >> "$GITHUB_OUTPUT"
fi
case $code in
  0) verdict=pass ;;
  1) verdict=regression
     echo "::error title=performance gate::regression: see the summary of this job" ;;
  3) verdict=inconclusive
     echo "::warning title=performance gate::inconclusive: the runner was too noisy for a verdict"
     code=0 ;;
  *) verdict=error
     echo "::error title=performance gate::the gate could not run (exit code $code)" ;;
esac
printf 'verdict=%s\ncode=%s\n' "$verdict" "$code" >> "$GITHUB_OUTPUT"
