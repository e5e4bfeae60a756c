#!/bin/sh
# TinyMUX, a text game server, on a port of its own, with a folder of its own that goes with it.
#   sh tinymux.sh PORT 'SETTING VALUE; SETTING VALUE'
# It begins with the smallest world, one room; whoever says "create NAME PASSWORD" is in.
set -eu
settings=$(printf '%s' "$2" | tr ';' '\n')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' TERM INT
cp /usr/share/tinymux/game/*.conf "$folder"
mkdir "$folder/data"
ln -s /usr/lib/tinymux/game/bin /usr/share/tinymux/game/text "$folder"
cd "$folder"
sed -i "s/^port .*/port $1/" netmux.conf
cat >>netmux.conf <<END
ip_address 127.0.0.1
idle_interval 1
$settings
END
LD_LIBRARY_PATH=bin bin/netmux -s -c netmux.conf -p netmux.pid -e . &
server=$!
# A signal comes to all of the group, and TinyMUX would save its world before it ends: nobody needs that.
trap 'kill -9 $server' TERM INT
# It interrupts the first wait. The folder goes when nobody writes into it any more.
wait $server || wait $server
