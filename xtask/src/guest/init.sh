#!/bin/sh
# The first process of a virtual kernel: what the kernel tests need, the tests, and the end of the machine.
export PATH=/usr/sbin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tracefs tracefs /sys/kernel/tracing
mount -t tmpfs tmpfs /tmp
read -r what rest </tests/arguments
# The pairs throttle a disk, with a controller of version 1 as on a host that has it: of version 2, synchronous writes are those
# of who made the file. The kernel tests mount what they need.
if [ "$what" = pairs ]; then
    mount -t tmpfs tmpfs /sys/fs/cgroup
    mkdir /sys/fs/cgroup/blkio
    mount -t cgroup -o blkio blkio /sys/fs/cgroup/blkio
fi
# By their serial numbers: which disk the kernel finds first differs from boot to boot.
for found in /sys/class/block/nvme*n1; do
    read -r serial <"$found/device/serial"
    ln -s "${found##*/}" "/dev/tests-$serial"
done
mount -t ext4 /dev/tests-disk /var/tmp
mounted=$?
ip link set lo up
for name in test profiler; do
    read -r path <"/tests/$name.path"
    mkdir -p "${path%/*}"
    ln -s "/tests/$name" "$path"
done
cd /
status=1
if [ "$mounted" = 0 ]; then
    /tests/profiler doctor
    /tests/test $(cat /tests/arguments)
    status=$?
fi
echo "the tests ended with status $status"
cd /
umount /var/tmp
# The console must be written before the machine ends.
sleep 1
echo b >/proc/sysrq-trigger
