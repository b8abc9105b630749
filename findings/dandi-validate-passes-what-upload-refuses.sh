#!/usr/bin/env bash
# `dandi validate` finds no error in a file that `dandi upload` refuses for its species.
#
# Version: dandi 0.81.0, nwbinspector 0.7.2, pynwb 4.2.0
# Guess:   a file that passes `dandi validate` (which runs nwbinspector by DANDI's rules) can be uploaded, and a
#          correct Latin name of a species is enough.
# Happens: both take any name of two Latin words. Upload then looks the name up in a short list inside dandi, which has rhesus, pig-tailed
#          and bonnet macaque but not the long-tailed one (Macaca fascicularis); it stops with "failed to extract metadata".
#          This surfaces when a data set is finished and its files are made. The call that upload makes needs no network.
# Seen:    Macaca mulatta:      validate passes, metadata for upload: NCBITaxon_9544
#          Macaca fascicularis: validate passes, metadata for upload: ValueError, Cannot interpret species field
# Instead: ask for the metadata as below before upload; the message names the remedy, the URL in the NCBI taxonomy.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check dandi==0.81.0 nwbinspector==0.7.2 pynwb==4.2.0
export HOME=$work XDG_STATE_HOME=$work XDG_CACHE_HOME=$work DANDI_NO_ET=1 NO_ET=1
mkdir -p "$work/set/sub-m"
cd "$work/set"
printf "identifier: '000000'\nname: one file\n" > dandiset.yaml
cat > ../upload.py <<'PY'
"""Write a file of a species; afterwards ask for its metadata as `dandi upload` does."""

import sys
from datetime import datetime, timezone

import pynwb
from pynwb.file import Subject

PATH = "sub-m/sub-m_ecephys.nwb"
if sys.argv[1] == "write":
    file = pynwb.NWBFile("A session", "one", datetime(2026, 1, 1, tzinfo=timezone.utc), session_id="1")
    file.subject = Subject(subject_id="m", species=sys.argv[2], sex="M", age="P5Y")
    with pynwb.NWBHDF5IO(PATH, "w") as io:
        io.write(file)
else:
    from dandi.files import dandi_file

    try:
        found = dandi_file(PATH, ".").get_metadata(ignore_errors=False).wasAttributedTo[0].species.identifier
        print(str(found).rsplit("/")[-1])
    except ValueError as error:
        print("ValueError,", str(error).split(":")[0])
PY
for package in dandi nwbinspector pynwb; do
    ../venv/bin/python -c "from importlib.metadata import version; print('$package', version('$package'))"
done
differs=0
check() { # species, what the metadata call should say
    ../venv/bin/python ../upload.py write "$1"
    ../venv/bin/dandi validate . > ../validate.txt 2>&1 && passed=passes || passed=refuses
    said=$(../venv/bin/python -W ignore ../upload.py ask 2> ../ask.txt | tail -n 1)
    echo "$1: validate $passed, metadata for upload: $said"
    [ "$passed, $said" = "passes, $2" ] || { cat ../validate.txt ../ask.txt; differs=1; }
}
check "Macaca mulatta" NCBITaxon_9544
check "Macaca fascicularis" "ValueError, Cannot interpret species field"
[ $differs = 0 ] || { echo "The behaviour has changed."; exit 1; }
echo "As described: what validates cannot be uploaded."
