#!/usr/bin/env bash
# Snakemake compares the parameters of a job with those of its last run as a set of values, without their names.
#
# Version: snakemake 9.27.1
# Guess:   a rule is done again when the value of one of its `params` changes; the rerun trigger is called `params`.
# Happens: names are not recorded and equal values count once. Two parameters that swap their values, or one that takes
#          a value that another has while its old value is still in use, change nothing: the old output stays,
#          with exit status 0. A value that is new in the rule does rerun it.
# Seen:    low=300 high=6000 notch=300  -> out.txt holds 300 6000 300
#          low=6000 high=300 notch=300  -> out.txt holds 300 6000 300   (swapped, not run)
#          low=300 high=6000 notch=6000 -> out.txt holds 300 6000 300   (notch changed, not run)
#          low=300 high=6000 notch=50   -> out.txt holds 300 6000 50    (a new value, run)
# Instead: hand over one parameter that holds names and values together, such as a dict: shown last.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check snakemake==9.27.1
export HOME=$work XDG_CACHE_HOME=$work/cache
cd "$work"
cat > Snakefile <<'SNAKE'
rule several:
    output: "out.txt"
    params: low=config["low"], high=config["high"], notch=config["notch"]
    shell: "echo {params.low} {params.high} {params.notch} > {output}"

rule together:
    output: "dict.txt"
    params: band={name: config[name] for name in ("low", "high", "notch")}
    shell: "echo {params.band[low]} {params.band[high]} {params.band[notch]} > {output}"
SNAKE

differs=0
check() { # target, what it should hold if the behaviour is as described, then the configuration
    local target=$1 expected=$2
    shift 2
    venv/bin/snakemake "$target" --cores 1 --quiet all --config "$@" > log.txt 2>&1 || { cat log.txt; exit 2; }
    echo "$target, $*: holds $(cat "$target")"
    [ "$(cat "$target")" = "$expected" ] || { echo "  expected: $expected"; differs=1; }
}
venv/bin/snakemake --version | sed 's/^/snakemake /'
check out.txt "300 6000 300" low=300 high=6000 notch=300
check out.txt "300 6000 300" low=6000 high=300 notch=300
check out.txt "300 6000 300" low=300 high=6000 notch=6000
check out.txt "300 6000 50" low=300 high=6000 notch=50
check dict.txt "300 6000 300" low=300 high=6000 notch=300
check dict.txt "6000 300 300" low=6000 high=300 notch=300
[ $differs = 0 ] || { echo "The behaviour has changed."; exit 1; }
echo "As described: swapped parameters are not seen as a change."
