#!/bin/bash
# Runs the fuzzer until it has made so many executions or so much time has passed, whichever is first,
# and says what came of it.
#
#     run.sh FUZZER
#
# RUNS     executions (10,000,000)
# LIMIT    seconds (7,200)
# JOBS     processes (one for each processor)
# CORPUS   the folder for inputs that are worth changing, outside of the repository: a run goes on where the
#          last one stopped (~/.cache/extant/fuzz)
# IMAGES   a folder of whole images up to 1 MiB that are inputs, too
#
# Inputs that fail go to CORPUS/finds; `judge checks replay` executes them again. 1: there are some.
set -euo pipefail

fuzzer=$(realpath "$1")
runs=${RUNS:-10000000}
limit=${LIMIT:-7200}
jobs=${JOBS:-$(nproc)}
folder=${CORPUS:-${XDG_CACHE_HOME:-$HOME/.cache}/extant/fuzz}

mkdir -p "$folder/corpus" "$folder/finds"
log=$folder/log
marker=$(mktemp "$folder/started.XXXXXX")
trap 'rm -f "$marker"' EXIT
echo "corpus $folder/corpus: $(find "$folder/corpus" -type f | wc -l) inputs; $runs executions or $limit s, $jobs jobs"

# A job that fails is replaced by another; what fails is kept, and counted in the end. An execution takes
# milliseconds: the time limit is for a machine that does other things, too.
start=$SECONDS
SWIFT_BACKTRACE=enable=no "$fuzzer" "$folder/corpus" ${IMAGES:+"$(realpath "$IMAGES")"} \
  -fork="$jobs" -ignore_crashes=1 -ignore_timeouts=1 -ignore_ooms=1 \
  -runs="$runs" -max_total_time="$limit" -max_len=1048576 -len_control=0 \
  -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$folder/finds/" 2>&1 |
  tee "$log" | grep --line-buffered -E '^(#|INFO: (fuzzed|exiting)|SUMMARY)|[Ff]atal error' || true

executions=$(grep -oE '^#[0-9]+' "$log" | tail -n 1 | tr -d '#')
seconds=$((SECONDS - start))
finds=$(find "$folder/finds" -type f -newer "$marker" | wc -l)
echo "${executions:-0} executions in $seconds s ($((${executions:-0} / (seconds > 0 ? seconds : 1))) a second)," \
  "$(find "$folder/corpus" -type f | wc -l) inputs kept, $finds failed"
if ((finds > 0)); then
  echo "they are in $folder/finds; again: judge checks replay FILE"
  exit 1
fi
