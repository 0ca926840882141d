#!/bin/sh
# Builds gatherd from this checkout and installs it as a systemd service. Run as root.
set -eu
cd "$(dirname "$0")/.."
make deps-build
make all
make install PREFIX=/usr SYSCONFDIR=/etc UNITDIR=/lib/systemd/system
echo "Installed. To start it now and at every boot:"
echo "    systemctl daemon-reload && systemctl enable --now gatherd"
