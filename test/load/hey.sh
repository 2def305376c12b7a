#!/usr/bin/env bash
# The load profiles of `mcp-stack load` with hey (https://github.com/rakyll/hey), for people who use that.
#
#   MCP_STACK_TOKEN=… test/load/hey.sh smoke|step|soak|spike
#
# URL (http://127.0.0.1:4444/mcp), ERA (legacy or modern), TOOL and ARGUMENTS (time__echo), RPS (100, of soak and of the spike's base),
# DURATION in seconds (as mcp-stack load has it), I_OWN_THIS_HOST for any host but loopback.
# hey sends one body: smoke and step call the tool only; soak and spike run a second hey for tools/list, at a fifth of the rate.
# hey looks at HTTP statuses only; mcp-stack load also sees JSON-RPC errors, tools that fail, and answers to another request.
# hey takes headers as arguments: while it runs, others on this machine can read the token in the list of processes.
set -euo pipefail

profile=${1:-smoke}
url=${URL:-http://127.0.0.1:4444/mcp}
era=${ERA:-legacy}
tool=${TOOL:-time__echo}
arguments=${ARGUMENTS:-'{"message":"load"}'}
rps=${RPS:-100}

fail() {
  echo "hey.sh: $1" >&2
  exit 2
}

command -v hey >/dev/null || fail "hey is not installed (Debian and Ubuntu: apt-get install hey)"
[[ $url =~ ^https?://(\[[^]]+\]|[^/:]+) ]] || fail "URL is \"$url\", it has to be an http or https URL"
host=${BASH_REMATCH[1]}
case $host in
  localhost | '[::1]') ;;
  *)
    [[ $host =~ ^127\.[0-9]+\.[0-9]+\.[0-9]+$ || ${I_OWN_THIS_HOST:-} == "$host" ]] ||
      fail "$host is not loopback: a load test of another host is for its owner, who sets I_OWN_THIS_HOST=$host"
    ;;
esac
[[ $rps =~ ^[1-9][0-9]{0,5}$ ]] || fail "RPS is \"$rps\", it has to be a whole number from 1 to 999999"
case $profile in
  smoke) duration=${DURATION:-10} ;;
  step) duration=${DURATION:-35} ;;
  soak) duration=${DURATION:-300} ;;
  spike) duration=${DURATION:-30} ;;
  *) fail "the profile is \"$profile\", it has to be one of smoke, step, soak, spike" ;;
esac
[[ $duration =~ ^[1-9][0-9]{0,3}$ && $duration -le 3600 ]] ||
  fail "DURATION is \"$duration\", it has to be whole seconds from 1 to 3600"

headers=(-H "Accept: application/json, text/event-stream")
if [[ -n ${MCP_STACK_TOKEN:-} ]]; then headers+=(-H "Authorization: Bearer $MCP_STACK_TOKEN"); fi
curl_headers=("${headers[@]}" -H "Content-Type: application/json")
session=
lists_output=$(mktemp)
finish() {
  rm -f "$lists_output"
  if [[ -n $session ]]; then curl -sS -o /dev/null -X DELETE "${headers[@]}" "$url"; fi
}
trap finish EXIT

# Legacy: initialize, initialized, and the session's id in each request. Modern: what initialize said once is in each request.
case $era in
  legacy)
    client='"clientInfo":{"name":"hey","version":"1"}'
    session=$(curl -sS -D - -o /dev/null "${curl_headers[@]}" "$url" \
      -d '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'"$client"'}}' |
      tr -d '\r' | sed -n 's/^[Mm][Cc][Pp]-[Ss]ession-[Ii][Dd]: *//p')
    [[ -n $session ]] || fail "initialize at $url gave no session: is it up, and is MCP_STACK_TOKEN right?"
    headers+=(-H "Mcp-Session-Id: $session" -H "MCP-Protocol-Version: 2025-11-25")
    curl -sS -o /dev/null "${headers[@]}" -H "Content-Type: application/json" "$url" \
      -d '{"jsonrpc":"2.0","method":"notifications/initialized"}'
    call_headers=()
    list_headers=()
    meta=
    ;;
  modern)
    headers+=(-H "MCP-Protocol-Version: 2026-07-28")
    call_headers=(-H "Mcp-Method: tools/call" -H "Mcp-Name: $tool")
    list_headers=(-H "Mcp-Method: tools/list")
    key=io.modelcontextprotocol
    meta='"_meta":{"'$key'/protocolVersion":"2026-07-28","'$key'/clientCapabilities":{},"'$key'/clientInfo":{"name":"hey","version":"1"}}'
    ;;
  *) fail "ERA is \"$era\", it has to be legacy or modern" ;;
esac
call_body='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"'$tool'","arguments":'$arguments${meta:+,$meta}'}}'
list_body='{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{'$meta'}}'

# call or list; connections; seconds; requests per second of each connection (without it, as fast as answers come)
ask() {
  local -n more=${1}_headers body=${1}_body
  hey -m POST -T application/json -disable-redirects -t 30 -c "$2" -z "${3}s" ${4:+-q "$4"} \
    "${headers[@]}" "${more[@]}" -d "$body" "$url"
}

# Four fifths of the rate call the tool, one fifth lists the tools; a connection for every 20 requests per second.
at_rate() {
  local seconds=$2 list_rate=$(($1 / 5)) call_rate=$(($1 - $1 / 5))
  local calls=$(((call_rate + 19) / 20)) lists=$(((list_rate + 19) / 20))
  if ((lists > 0)); then ask list "$lists" "$seconds" "$(per_connection "$list_rate" "$lists")" >"$lists_output" & fi
  ask call "$calls" "$seconds" "$(per_connection "$call_rate" "$calls")"
  wait
  if ((lists > 0)); then
    echo "tools/list:"
    cat "$lists_output"
  fi
}
per_connection() { awk -v rate="$1" -v connections="$2" 'BEGIN { printf "%.3f", rate / connections }'; }

case $profile in
  smoke) ask call 2 "$duration" ;;
  step)
    ((duration >= 7)) || fail "DURATION is \"$duration\", the seven steps need 7 seconds at least"
    for connections in 1 2 4 8 16 32 64; do
      echo "== $connections connections"
      ask call "$connections" $((duration / 7))
    done
    ;;
  soak) at_rate "$rps" "$duration" ;;
  spike)
    ((duration >= 3)) || fail "DURATION is \"$duration\", the three parts need 3 seconds at least"
    for rate in "$rps" $((rps * 10)) "$rps"; do
      echo "== $rate requests/s"
      at_rate "$rate" $((duration / 3))
    done
    ;;
esac
