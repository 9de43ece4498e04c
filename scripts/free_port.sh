#!/usr/bin/env bash
# Fails in one line where PORT is no port, or in use: before an environment is made for it.
port=${PORT:-3000}
if [[ ! $port =~ ^[0-9]{1,5}$ ]] || ((10#$port < 1 || 10#$port > 65535)); then
    echo "Error: PORT=$port: it should be a number from 1 to 65535" >&2
    exit 1
fi
if (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "Error: PORT=$port: Address already in use; choose another with PORT=" >&2
    exit 1
fi
