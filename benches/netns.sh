#!/bin/sh
# The simulated network against packets of the kernel: three parties in network namespaces, joined by
# a bridge, with latency and a rate limit on every line. Needs root, ip and tc with netem; where they
# are not to be had it says so and ends well.
#
#   cargo build --release -p tacit-cli && benches/netns.sh target/release/tacit [MS] [MBIT]
#
# Exit codes: 0 within 15 % (or skipped), 1 not.
set -eu

tacit=${1:?usage: netns.sh TACIT [MS] [MBIT]}
ms=${2:-20}
mbit=${3:-100}
id=tct$$
home=$(mktemp -d)

finish() {
    for party in a b c; do
        ip netns del "$id$party" 2>/dev/null || true
    done
    ip link del "$id" 2>/dev/null || true
    rm -rf "$home"
}
trap finish EXIT
trap 'exit 130' INT TERM

skip() {
    echo "skipped: $1"
    exit 0
}

for program in ip tc awk; do
    command -v "$program" >/dev/null || skip "there is no $program"
done
ip link add "$id" type bridge 2>/dev/null || skip "no bridge can be made (is this root?)"
ip link set "$id" up
host=1
for party in a b c; do
    inside=$id$party
    outside=${id}v$party
    ip netns add "$inside" 2>/dev/null || skip "no network namespace can be made"
    ip link add "$outside" type veth peer name eth0 netns "$inside" || skip "no veth pair can be made"
    ip link set "$outside" master "$id" up
    ip -n "$inside" addr add "10.99.0.$host/24" dev eth0
    ip -n "$inside" link set eth0 up
    ip -n "$inside" link set lo up
    # The line out has the latency, the line in the same rate; nothing is dropped.
    tc -n "$inside" qdisc add dev eth0 root netem delay "${ms}ms" rate "${mbit}mbit" limit 100000 \
        2>/dev/null || skip "this kernel has no netem"
    tc qdisc add dev "$outside" root netem rate "${mbit}mbit" limit 100000
    "$tacit" key new --quiet "$home/$party.key" >"$home/$party.word"
    printf '[[party]]\nname = "%s"\nkey = "%s"\naddress = "10.99.0.%s:7700"\n' \
        "$party" "$(cat "$home/$party.word")" "$host" >>"$home/peers.toml"
    host=$((host + 1))
done

median() {
    awk '/"online"/ { inside = 1 } inside && /"median"/ { gsub(/[^0-9.e-]/, "", $2); print $2; exit }' "$1"
}

status=0
for work in "round 1" "mul 3000000"; do
    # shellcheck disable=SC2086 # a task and its rows
    set -- $work
    for party in a b c; do
        ip netns exec "$id$party" "$tacit" bench run "$1" --n "$2" --repeat 3 --quiet \
            --peers "$home/peers.toml" --as "$party" --key "$home/$party.key" \
            --out "$home/$1-$party" >"$home/$party.log" 2>&1 &
        eval "process_$party=$!"
    done
    # shellcheck disable=SC2154 # set by eval
    for process in "$process_a" "$process_b" "$process_c"; do
        wait "$process" || { cat "$home"/*.log; exit 1; }
    done
    "$tacit" bench run "$1" --n "$2" --repeat 3 --quiet --link "$ms,$mbit" --out "$home/$1-sim" >/dev/null
    packets=$(median "$home/$1-a/"*.json)
    simulated=$(median "$home/$1-sim/"*.json)
    awk -v task="$1" -v n="$2" -v p="$packets" -v s="$simulated" 'BEGIN {
        printf "%s, %d rows: %.3f s over packets, %.3f s simulated: %.3f\n", task, n, p, s, p / s
        exit !(p / s >= 0.85 && p / s <= 1.15)
    }' || status=1
done
exit $status
