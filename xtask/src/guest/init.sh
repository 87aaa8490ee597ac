#!/bin/sh
# The first process of a virtual kernel: what the kernel tests need, the tests, and the end of the machine.
export PATH=/usr/sbin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tracefs tracefs /sys/kernel/tracing
mount -t tmpfs tmpfs /tmp
mount -t ext4 /dev/nvme0n1 /var/tmp
ip link set lo up
for name in test profiler; do
    read -r path <"/tests/$name.path"
    mkdir -p "${path%/*}"
    ln -s "/tests/$name" "$path"
done
cd /
/tests/profiler doctor
/tests/test $(cat /tests/arguments)
echo "the tests ended with status $?"
cd /
sync
umount /var/tmp
# The console must be written before the machine ends.
sleep 1
echo b >/proc/sysrq-trigger
