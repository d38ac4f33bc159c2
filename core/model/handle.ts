/** Run handles as people type them: `r7k2`. No i, l, o or u, so that none is misread or rude. */
const digits = '0123456789abcdefghjkmnpqrstvwxyz'

const spread = { multiplier: 7_841, offset: 5_003 }

/** The handle of a run's number (1, 2, …): short, unique and not in counting order. */
export function handleOf(number: number): string {
  const { size, first, length } = blockOf(number)
  const scattered = ((number - first) * spread.multiplier + spread.offset) % size
  return `r${toDigits(scattered, length)}`
}

/** The number behind a handle, or null when it is not one. Upper case and the letters i, l, o are read as people mean them. */
export function numberOf(handle: string): number | null {
  const text = handle.toLowerCase().replaceAll(/[il]/g, '1').replaceAll('o', '0')
  if (!/^r[0-9a-hj-km-np-tv-z]{3,8}$/.test(text)) return null
  const scattered = Array.from(text.slice(1)).reduce((sum, digit) => sum * 32 + digits.indexOf(digit), 0)
  const size = 32 ** (text.length - 1)
  const first = firstOf(text.length - 1)
  const index = modularProduct((scattered - spread.offset + size) % size, inverseOf(spread.multiplier, size), size)
  return first + index
}

function blockOf(number: number): { size: number; first: number; length: number } {
  let length = 3
  while (number >= firstOf(length + 1)) length++
  return { size: 32 ** length, first: firstOf(length), length }
}

/** Numbers 1 to 32³ take three digits, the next 32⁴ take four, and so on. */
function firstOf(length: number): number {
  let first = 1
  for (let shorter = 3; shorter < length; shorter++) first += 32 ** shorter
  return first
}

function toDigits(value: number, length: number): string {
  let text = ''
  for (let rest = value, i = 0; i < length; i++, rest = Math.floor(rest / 32)) text = digits[rest % 32] + text
  return text
}

/** Inverse modulo a power of two, by Newton's doubling of correct bits. */
function inverseOf(odd: number, size: number): number {
  let inverse = 1n
  const [a, m] = [BigInt(odd), BigInt(size)]
  for (let bits = 1; bits < 64; bits *= 2) inverse = (inverse * (2n - a * inverse)) % m
  return Number(((inverse % m) + m) % m)
}

const modularProduct = (a: number, b: number, size: number): number => Number((BigInt(a) * BigInt(b)) % BigInt(size))
