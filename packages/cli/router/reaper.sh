#!/bin/sh
# reaper.sh PREFIX: removes the namespaces with that prefix, and what runs in them, when its standard input ends. That is
# when the run that started it is over, in whatever way.
cat >/dev/null
# vitest's workers outlive it for a moment.
sleep 1
while left=$(ip netns list | grep -o "^$1[^ ]*"); do
  for name in $left; do
    ip netns pids "$name" | xargs -r kill -KILL
    ip netns delete "$name"
  done
done
