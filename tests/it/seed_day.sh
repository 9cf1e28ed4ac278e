# The seed's day as the README tells it, line by line. Run by seed_day.rs in a network namespace of its own, in an empty
# home; MICROPYPI is the program, CLIENTS the folder of the real clients.
set -euxo pipefail

address=192.0.2.1
ip link set lo up
ip address add "$address/32" dev lo

start() {
  "$MICROPYPI" >"$1" 2>"$1.log" &
  server=$!
  curl --silent --fail --retry 30 --retry-connrefused --retry-delay 1 --output /dev/null "http://$address:8089/health"
}

# One command in an empty directory. It makes what is missing, and prints a user and a .pypirc, ready to paste.
mkdir server dist
cd server
start printed
test -d data/packages
sed -n '/^\[distutils\]/,$p' printed >"$HOME/.pypirc"
cd ..

# A MicroPython package of the seed kind, made by an ordinary backend.
mkdir blinky
cat >blinky/pyproject.toml <<'TOML'
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "blinky-led"
version = "0.2.0rc99+dev42"
description = "Blinks"
[tool.setuptools]
packages = ["blinky_led"]
TOML
mkdir blinky/blinky_led
echo 'VALUE = 42' >blinky/blinky_led/__init__.py
"$CLIENTS/build/bin/python" -m build --no-isolation --outdir dist blinky

# Twine in.
"$CLIENTS/twine/bin/twine" upload -r micropypi dist/*

# Pip out, with the --trusted-host that really works.
"$CLIENTS/pip/bin/pip" install --no-cache-dir --target by-pip --trusted-host "$address:8089" \
  --index-url "http://$address:8089/simple/" 'blinky-led==0.2.0rc99+dev42'
grep 42 by-pip/blinky_led/__init__.py

# uv out.
"$CLIENTS/uv/bin/uv" pip install --no-cache --python "$CLIENTS/pip/bin/python" --target by-uv \
  --default-index "http://$address:8089/simple/" 'blinky-led==0.2.0rc99+dev42'
cmp by-pip/blinky_led/__init__.py by-uv/blinky_led/__init__.py

# An old board out: upip with 40 KiB of heap.
MICROPYPATH=$CLIENTS/board:.frozen "$CLIENTS/micropython/bin/micropython" -X heapsize=40k -c "
import upip_board
upip_board.install(['http://$address:8089'], 'by-upip', ['blinky-led'])"
cmp by-pip/blinky_led/__init__.py by-upip/blinky_led/__init__.py

# A new board out: mip.
MICROPYPATH=.frozen "$CLIENTS/micropython/bin/micropython" -c "
import mip
mip.install('blinky-led', index='http://$address:8089', target='by-mip')"
cmp by-pip/blinky_led/__init__.py by-mip/blinky_led/__init__.py

# The next day: the same user, nothing printed again, everything still there.
kill "$server"
wait "$server"
cd server
start printed-again
if grep '^password' printed-again; then exit 1; fi
cd ..
"$CLIENTS/twine/bin/twine" upload -r micropypi dist/*
kill "$server"
wait "$server"
