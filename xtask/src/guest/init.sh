#!/bin/busybox sh
# First program of the guest. Loads the drivers of the shares, lays an overlay in memory over the host's files, and
# goes on there with /stage. Whatever fails here ends the guest; the runner shows the console then.
/bin/busybox --install -s /bin
export PATH=/bin
end() { echo "guest: $1" >/dev/console; poweroff -f; }

mkdir -p /proc /host /memory /world
mount -t proc proc /proc
mount -t devtmpfs devices /dev
while read -r module; do insmod "/modules/$module" || end "cannot load $module"; done </modules/order

options=trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose
mount -t 9p -o $options host /host || end "cannot mount the host's files"
mount -t tmpfs -o size=75% memory /memory && mkdir /memory/changes /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/changes,workdir=/memory/work world /world || end "no overlay"

cd /world || end "no world"
mkdir -p proc sys dev run tmp lib/modules
mount --move /proc proc
mount --move /dev dev
mount -t sysfs sys sys
mount -t tmpfs -o mode=755 run run
mount -t bpf bpf sys/fs/bpf
mount -t tracefs tracing sys/kernel/tracing
mount -t cgroup2 cgroup sys/fs/cgroup
mount -t 9p -o $options modules lib/modules || end "cannot mount the modules"
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mkdir -p dev/pts dev/shm run/netns run/lock run/guest
mount -t devpts terminals dev/pts
mount -t tmpfs shared dev/shm
cp /stage /command run/guest/
exec switch_root /world /bin/sh /run/guest/stage
