#!/usr/bin/env bash
# Runs a command in a virtual machine whose only control groups are those of version 2: see --help.
set -euo pipefail

say_how() {
  cat <<'END'
scripts/cgroup2-guest.sh [--in PLACE] [--user NAME] [--minutes N] [--kernel FOLDER] [--] [command ...]

Runs a command, or the tests of the sandbox, in a virtual machine with control groups of version 2, and ends with its exit
code, or with 125 where the machine did not get that far. The machine sees the files of this one; what it writes is memory
of its own, and gone afterwards. It has no network.

  --in root        in the root of the groups, as where nothing manages them (this is the default)
  --in service     in the group of a service that holds a process more, below one that has the controllers
  --in delegated   below the group of a service that belongs to the user: Delegate=yes with DelegateSubgroup= in systemd
  --in container   in a namespace of groups of its own, whose tree can only be read
  --user NAME      as that account; root where none is named
  --emulated       without the processor's own virtualization, which is many times slower; so it is without /dev/kvm anyway
  --minutes N      ended after so many: 10
  --kernel FOLDER  where boot/vmlinuz-* and lib/modules lie: / where none is named
END
}

refuse() {
  echo "cgroup2-guest: $1" >&2
  exit 125
}

place=root user=root minutes=10 kernel=/ accelerator=kvm
while [ $# -gt 0 ]; do
  case "$1" in
    --help) say_how; exit 0 ;;
    --) shift; break ;;
    --emulated) accelerator=tcg; shift ;;
    --in | --user | --minutes | --kernel)
      [ $# -gt 1 ] || refuse "$1 needs a word more; see --help"
      case "$1" in --in) place=$2 ;; --user) user=$2 ;; --minutes) minutes=$2 ;; --kernel) kernel=$2 ;; esac
      shift 2
      ;;
    -*) refuse "$1 is no option; see --help" ;;
    *) break ;;
  esac
done
case "$place" in root | service | delegated | container) ;; *) refuse "there is no place $place; see --help" ;; esac
[ $# -gt 0 ] || set -- npx vitest run adapters/bubblewrap --testTimeout=60000 --maxWorkers=1
project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

install="apt-get install qemu-system-x86 busybox-static kmod"
PATH="$PATH:/usr/sbin:/sbin"
for program in qemu-system-x86_64 busybox modprobe depmod; do
  command -v "$program" >/dev/null || refuse "$program is missing: $install"
done
if ldd "$(command -v busybox)" >/dev/null 2>&1; then refuse "busybox needs libraries: $install"; fi

# A kernel that knows 9p, by which the machine reads the files of this one; those made for clouds do not.
image="" modules=""
for found in "$kernel"/boot/vmlinuz-*; do
  for tree in "$kernel"/{,usr/}lib/modules/"${found##*/vmlinuz-}"; do
    if [ -r "$found" ] && [ -d "$tree/kernel/fs/9p" ]; then image=$found modules=$tree; fi
  done
done
[ -n "$image" ] || refuse "there is no kernel with 9p below $kernel. To have one without installing it:
  apt-get download \"\$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image.*\)/\1/p')\"
  dpkg -x linux-image-*.deb FOLDER, and say --kernel FOLDER"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
release="${modules##*/}"
mkdir -p "$work/tree/lib/modules" "$work/tree/usr" "$work/initramfs/bin" "$work/initramfs/modules"
ln -s ../lib "$work/tree/usr/lib"
ln -s "$(realpath "$modules")" "$work/tree/lib/modules/$release"
[ -e "$modules/modules.dep" ] || depmod -b "$work/tree" "$release"
cp "$(command -v busybox)" "$work/initramfs/bin/busybox"

# In the order in which they need each other.
number=100
modprobe -d "$work/tree" -S "$release" --show-depends -a virtio_pci 9pnet_virtio 9p overlay | awk '!seen[$0]++' | while read -r verb path _; do
  [ "$verb" = insmod ] || continue
  number=$((number + 1))
  case "$path" in *.xz) xz -dc "$path" ;; *.zst) zstd -dc "$path" ;; *) cat "$path" ;; esac >"$work/initramfs/modules/$number.ko"
done

cat >"$work/initramfs/init" <<'END'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /host /memory /root
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs devtmpfs /dev
stty -onlcr </dev/console
for module in /modules/*.ko; do insmod "$module" || echo "insmod $module failed"; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose host /host &&
  mount -t tmpfs -o size=75% memory /memory && mkdir /memory/upper /memory/work &&
  mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay /root || exit 1
for folder in proc sys dev; do mount --move /$folder /root/$folder; done
mkdir -p /root/dev/pts /root/dev/shm
mount -t devpts devpts /root/dev/pts && mount -t tmpfs -o mode=1777 shm /root/dev/shm
mount -t tmpfs -o mode=755 run /root/run && mkdir -p /root/run/guest/tmp && cp /start /command /root/run/guest/
chmod 1777 /root/run/guest/tmp
mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
ifconfig lo up
hostname guest
exec switch_root /root /bin/bash /run/guest/start
END

# Makes the place and puts the command there, as its account.
cat >"$work/initramfs/start" <<'END'
. /run/guest/command
groups=/sys/fs/cgroup
service=$groups/system.slice/quantapilot.service
controllers() { echo '+cpu +memory +pids' >"$1/cgroup.subtree_control"; }
if [ "$place" = root ]; then
  own=$groups
else
  mkdir -p "$service"
  controllers "$groups" && controllers "${service%/*}"
  own=$service
fi
if [ "$place" = delegated ]; then
  own=$service/worker
  mkdir "$own" && controllers "$service"
  chown "$user" "$service" "$own" {"$service","$own"}/cgroup.{procs,threads,subtree_control}
fi
sleep infinity &
echo $! >"$own/cgroup.procs"
account=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
enter=(bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$own")
[ "$place" != container ] ||
  enter+=(unshare --cgroup --mount bash -c "umount $groups && mount -t cgroup2 -o ro cgroup2 $groups && exec \"\$@\"" bash)
cd "$project"
# Where the tests write a file of their own.
mkdir -p node_modules/.vite-temp && chown "$user" node_modules/.vite-temp
"${enter[@]}" env -i HOME=/run/guest/tmp TMPDIR=/run/guest/tmp PATH="$path" LANG=C.UTF-8 TERM=dumb "${account[@]}" "${command[@]}" </dev/null 2>&1 | cat
echo "${PIPESTATUS[0]}" >/dev/ttyS1
sleep 0.5
echo b >/proc/sysrq-trigger
END

path="$project/node_modules/.bin:$PATH"
command=("$@")
declare -p place user project path command >"$work/initramfs/command"
chmod +x "$work/initramfs/init"
(cd "$work/initramfs" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initramfs.gz"

[ -w /dev/kvm ] || accelerator=tcg
timeout --foreground "$((minutes * 60))" qemu-system-x86_64 -machine "accel=$accelerator" -cpu max,arch-capabilities=off -smp 2 -m 4096 -no-reboot -nodefaults \
  -display none -serial stdio -serial "file:$work/exit-code" -kernel "$image" -initrd "$work/initramfs.gz" \
  -append "console=ttyS0 loglevel=1 panic=-1 cgroup_no_v1=all" \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap </dev/null || true
exit_code="$(tr -d '\r\n' <"$work/exit-code" 2>/dev/null || true)"
[ -n "$exit_code" ] || refuse "the machine did not end within $minutes minutes, or did not start"
exit "$exit_code"
