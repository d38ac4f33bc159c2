import type { SandboxOrder } from '../../core/workshop.ts'

/** Files of ours that the sandbox shows, below a folder of their own. */
export const inside = {
  work: '/work',
  home: '/home/agent',
  node: '/qp/node',
  bridge: '/qp/bridge.mjs',
  socket: '/qp/out.sock',
} as const

export type Places = {
  /** Our own Node and the bridge, on the host. */
  readonly node: string
  readonly bridge: string
  /** A folder with the few files of /etc that programs ask for. */
  readonly etc: string
}

/**
 * What bwrap is told: nothing of the host but `/usr`, no network but a loopback of its own, no capability, no way to more
 * namespaces, and an end with us. The filter of system calls comes in as descriptor 3.
 */
export function bwrapArguments(order: SandboxOrder, places: Places): readonly string[] {
  const { limits } = order
  return [
    ...words('--unshare-user --unshare-all --disable-userns --die-with-parent --new-session --cap-drop ALL --clearenv'),
    ...words('--uid 1000 --gid 1000 --hostname sandbox --seccomp 3 --ro-bind /usr /usr'),
    ...words('--symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink usr/lib64 /lib64'),
    ...readOnly(places.etc, '/etc'),
    ...words('--ro-bind-try /etc/ssl/certs /etc/ssl/certs'),
    ...words('--ro-bind-try /etc/alternatives /etc/alternatives --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache'),
    ...words('--proc /proc --dev /dev --size 64000000 --tmpfs /dev/shm --remount-ro /dev'),
    ...words(`--size ${limits.scratchBytes} --tmpfs /tmp --size ${limits.scratchBytes} --tmpfs ${inside.home}`),
    ...order.mounts.flatMap(({ from, to }) => readOnly(from, to)),
    ...(order.bridge ? bridgeMounts(order.bridge.socket, places) : []),
    '--bind',
    order.folder,
    inside.work,
    ...words(`--remount-ro / --chdir ${inside.work}`),
    ...Object.entries(environmentOf(order)).flatMap(([name, value]) => ['--setenv', name, value]),
    '--',
    ...limiter(order),
    ...(order.bridge ? [inside.node, inside.bridge, `${order.bridge.port}`, inside.socket] : []),
    ...order.command,
  ]
}

const words = (line: string): readonly string[] => line.split(' ')

const readOnly = (from: string, to: string): readonly string[] => ['--ro-bind', from, to]

const bridgeMounts = (socket: string, { node, bridge }: Places): readonly string[] => [
  ...readOnly(node, inside.node),
  ...readOnly(bridge, inside.bridge),
  ...readOnly(socket, inside.socket),
]

const environmentOf = ({ env }: SandboxOrder): Readonly<Record<string, string>> => ({
  HOME: inside.home,
  PATH: '/usr/local/bin:/usr/bin:/bin',
  TMPDIR: '/tmp',
  LANG: 'C.UTF-8',
  ...env,
})

/**
 * Behind others who want the processors, no core dumps, and as many descriptors as builds need. A file may be twice as large as the folder: the watch sees it before, and
 * says so, where a program that the kernel refuses a byte tidies up and says something else.
 */
const limiter = ({ limits: { folderBytes, processes } }: SandboxOrder): readonly string[] =>
  words(
    `/usr/bin/nice -n 10 /usr/bin/prlimit --core=0 --fsize=${2 * folderBytes} --nofile=4096 --nproc=${processes} --`,
  )
