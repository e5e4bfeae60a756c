#!/bin/sh
# nginx as an ordinary user on a port of its own, with a folder of its own that goes with it.
#   sh nginx.sh PORT 'DIRECTIVES;' ['OPTIONS OF listen']
# The directives stand in its `server` block. It serves / (2 bytes), /big (40 MB) and takes what is PUT to /put.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' TERM INT
mkdir "$folder/www"
printf ok >"$folder/www/index.html"
truncate -s 40000000 "$folder/www/big"
printf end >>"$folder/www/big"
[ "$(id -u)" = 0 ] && user='user root;' || user=
cat >"$folder/nginx.conf" <<END
daemon off;
$user
worker_processes 1;
pid $folder/nginx.pid;
error_log stderr info;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    server {
        listen 127.0.0.1:$1 ${3:-};
        root $folder/www;
        $2
        location = /put { dav_methods PUT; }
    }
}
END
PATH=$PATH:/usr/sbin nginx -e stderr -p "$folder" -c "$folder/nginx.conf" &
server=$!
trap : TERM INT
# A signal comes to all of the group, and interrupts the first wait. The folder goes when nobody writes into it any more.
wait $server || wait $server
