import { Fault } from '../../core/model/problem.ts'

/**
 * The system calls that programs in the sandbox may not make, as a classic BPF program in the kernel's own layout
 * (linux/filter.h, linux/seccomp.h). Everything else is allowed: this closes doors to the kernel that no build needs,
 * the walls are the namespaces.
 */

type Numbers = { readonly x64: number | null; readonly arm64: number | null }

const call = (x64: number | null, arm64: number | null = x64): Numbers => ({ x64, arm64 })

/** Answered with EPERM. Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. */
export const refusedCalls: Readonly<Record<string, Numbers>> = {
  ptrace: call(101, 117),
  process_vm_readv: call(310, 270),
  process_vm_writev: call(311, 271),
  kcmp: call(312, 272),
  pidfd_getfd: call(438),
  mount: call(165, 40),
  umount2: call(166, 39),
  pivot_root: call(155, 41),
  chroot: call(161, 51),
  open_tree: call(428),
  move_mount: call(429),
  fsopen: call(430),
  fsconfig: call(431),
  fsmount: call(432),
  fspick: call(433),
  mount_setattr: call(442),
  unshare: call(272, 97),
  setns: call(308, 268),
  bpf: call(321, 280),
  perf_event_open: call(298, 241),
  userfaultfd: call(323, 282),
  add_key: call(248, 217),
  request_key: call(249, 218),
  keyctl: call(250, 219),
  kexec_load: call(246, 104),
  kexec_file_load: call(320, 294),
  init_module: call(175, 105),
  finit_module: call(313, 273),
  delete_module: call(176, 106),
  open_by_handle_at: call(304, 265),
  name_to_handle_at: call(303, 264),
  swapon: call(167, 224),
  swapoff: call(168, 225),
  reboot: call(169, 142),
  acct: call(163, 89),
  syslog: call(103, 116),
  settimeofday: call(164, 170),
  clock_settime: call(227, 112),
  adjtimex: call(159, 171),
  clock_adjtime: call(305, 266),
  quotactl: call(179, 60),
  vhangup: call(153, 58),
  iopl: call(172, null),
  ioperm: call(173, null),
  modify_ldt: call(154, null),
}

/** Answered with ENOSYS, at which libraries fall back: clone3 hides its flags from filters, io_uring goes around them. */
const absentCalls: readonly Numbers[] = [call(435), call(425), call(426), call(427)]

const clone = call(56, 220)
const socket = call(41, 198)
const ioctl = call(16, 29)

/** CLONE_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET. */
const namespaces = 0x7e020000

/** Unix, IPv4, IPv6; the namespace of the network has nothing but its own loopback. */
const families = [1, 2, 10]

/** Puts words into the terminal it was started from. */
const tiocsti = 0x5412

const arches = { x64: 0xc000003e, arm64: 0xc00000b7 } as const

const allow = 0x7fff0000
const kill = 0x80000000
const errno = (number: number): number => 0x00050000 + number
const eperm = errno(1)
const enosys = errno(38)
const eafnosupport = errno(97)

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, value: number]

const load = (offset: number): Instruction => [0x20, 0, 0, offset]
const ifEqual = (value: number, skipWhenNot: number): Instruction => [0x15, 0, skipWhenNot, value]
const ifAnyBit = (value: number, skipWhenNot: number): Instruction => [0x45, 0, skipWhenNot, value]
const ifAtLeast = (value: number, skipWhenNot: number): Instruction => [0x35, 0, skipWhenNot, value]
const answer = (value: number): Instruction => [0x06, 0, 0, value]

/** Offsets in struct seccomp_data: the number, the architecture, the low halves of the first two arguments. */
const at = { number: 0, arch: 4, first: 16, second: 24 } as const

/** The filter of a processor. Throws PRECONDITION_FAILED for one whose numbers are not known here. */
export function filterFor(arch: string): Buffer {
  if (arch !== 'x64' && arch !== 'arm64') {
    const message = `The sandbox knows no system calls of ${arch}: run on x64 or arm64.`
    throw new Fault({ code: 'PRECONDITION_FAILED', message, retryable: false })
  }
  const of = (numbers: Numbers): readonly number[] => (numbers[arch] === null ? [] : [numbers[arch]])
  const each = (all: readonly Numbers[], value: number): readonly Instruction[] =>
    all.flatMap(of).flatMap((number) => [ifEqual(number, 1), answer(value)])
  const program: readonly Instruction[] = [
    load(at.arch),
    // Another architecture's numbers mean other calls.
    ifEqual(arches[arch], 1),
    [0x05, 0, 0, 1],
    answer(kill),
    load(at.number),
    // The x32 numbers of an x86 kernel.
    ...(arch === 'x64' ? [ifAtLeast(0x40000000, 1), answer(eperm)] : []),
    ...each(Object.values(refusedCalls), eperm),
    ...each(absentCalls, enosys),
    ...of(clone).flatMap((number) => [
      ifEqual(number, 4),
      load(at.first),
      ifAnyBit(namespaces, 1),
      answer(eperm),
      answer(allow),
    ]),
    ...of(socket).flatMap((number) => [
      ifEqual(number, 2 + 2 * families.length),
      load(at.first),
      ...families.flatMap((family) => [ifEqual(family, 1), answer(allow)]),
      answer(eafnosupport),
    ]),
    ...of(ioctl).flatMap((number) => [ifEqual(number, 3), load(at.second), ifEqual(tiocsti, 1), answer(eperm)]),
    answer(allow),
  ]
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach(([code, whenTrue, whenFalse, value], index) => {
    bytes.writeUInt16LE(code, index * 8)
    bytes.writeUInt8(whenTrue, index * 8 + 2)
    bytes.writeUInt8(whenFalse, index * 8 + 3)
    bytes.writeUInt32LE(value, index * 8 + 4)
  })
  return bytes
}
